import pytest

from ml import evaluate, predict, train
from ml.commands import CommandParser


def test_options_are_taken_as_older_programs_write_them(tmp_path):
    lists = ["--train_txt", "a_1.txt", "--val_txt", "b.txt"]
    places = ["--dataset", str(tmp_path), "--checkpoint_dir", "run_1", "--log_file=run_1/log_1.csv"]
    told = train.build_parser().parse_args([*places, *lists])
    assert (told.data, str(told.checkpoint_dir), str(told.log_file)) == (tmp_path, "run_1", "run_1/log_1.csv")
    assert (str(told.train_txt), str(told.val_txt)) == ("a_1.txt", "b.txt")
    told = predict.build_parser().parse_args(["--model_path", "run_1", "--output_csv", "faces.csv", "--", "--odd_name"])
    assert (str(told.model), str(told.csv), [str(path) for path in told.paths]) == (
        "run_1",
        "faces.csv",
        ["--odd_name"],
    )


def test_an_older_name_never_hides_an_option_of_the_command(capsys):
    parser = CommandParser()
    parser.add_argument("--list")
    parser.add_argument("--val-txt")
    told = parser.parse_args(["--val_txt", "a", "--list", "b"])
    assert (told.val_txt, told.list) == ("a", "b")
    with pytest.raises(SystemExit):
        parser.parse_args(["--model_path", "x"])
    assert "--model-path" in capsys.readouterr().err


def test_the_list_of_an_old_evaluation_is_found(tmp_path, capsys):
    with pytest.raises(SystemExit):
        evaluate.main(["--root_dir", str(tmp_path), "--val_txt", str(tmp_path / "no.txt"), "--taxonomy", "list-5"])
    assert "no.txt" in capsys.readouterr().err
