"""Where a run is told besides its own folder: TensorBoard, MLflow, Weights & Biases, by Lightning's loggers."""

from pathlib import Path

from lightning.pytorch import loggers
from lightning.pytorch.loggers import Logger

from ml.errors import BadRecipe

LOGGERS = ("tensorboard", "mlflow", "wandb")


def build_logger(name: str, *, folder: Path, run: str) -> Logger:
    """One of LOGGERS for a run called `run` with files in `folder`; where else it sends them, its own settings say.

    Numbers of every epoch and the recipe are told; no picture and no weights.

    Raises BadRecipe where it is not installed.
    """
    try:
        if name == "mlflow":
            import mlflow  # optional, and slow to load

            # Lightning would write into a folder, which MLflow gave up; its own default is a file of SQLite.
            place = mlflow.get_tracking_uri()
            return loggers.MLFlowLogger(experiment_name=run, run_name=folder.name, tracking_uri=place)
        if name == "wandb":  # WANDB_MODE=offline sends nothing
            return loggers.WandbLogger(project=run, name=folder.name, save_dir=folder)
        return loggers.TensorBoardLogger(folder, name="tensorboard")
    except ModuleNotFoundError as error:
        raise BadRecipe(f"{name} is not installed: pip install {name}") from error
