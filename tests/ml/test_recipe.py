import json

import pytest
import torch

from ml.errors import BadRecipe
from ml.model.card import read_card
from ml.training import augment, recipe
from ml.training.chance import Chance


@pytest.mark.parametrize("path", sorted(recipe.CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_each_published_recipe_is_read_and_has_the_name_of_its_checkpoint(path):
    assert recipe.read_recipe(path).name == path.stem


def test_the_default_model_was_made_by_the_recipes_of_its_members():
    card = read_card()
    assert len(card.members) == len(card.recipe["joined"]) == 2
    for member, used in zip(card.members, card.recipe["joined"], strict=True):
        found = recipe.read_recipe(recipe.CONFIGS / f"{member.name}.toml")
        published = json.loads(json.dumps(recipe.recipe_values(found)))
        # facet-3.1 is facet-2's network, finished otherwise: the recipe keeps the name under which it was trained.
        assert published.pop("name") == member.name
        # What was learned from, a run writes into its card; these were there when recipes still said it.
        told = f"{published.pop('trained_on')}, margin 0.25: the first 37,500 training images"
        assert used["trained_on"] == told
        assert {name: used[name] for name in published} == published


def test_given_values_win():
    found = recipe.read_recipe(recipe.DEFAULT, overrides={"epochs": 3, "augmentation.flip": 0.0})
    assert (found.name, found.epochs, found.batch_size, found.data.held_out) == ("facet-1", 3, 128, 2500)
    assert found.augmentation.flip == 0.0
    assert found.data.shards[-1] == "train-7.zip"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("epoch = 3", "epoch"),
        ("[augmentation]\nflips = 1", "augmentation.flips"),
        ("epochs = 'three'", "another type"),
        ("epochs = ", "no recipe"),
        ("schedule = 'plateau'", "plateau_patience"),
        ("schedule = 'plateau'\npatience = 3", "plateau_patience"),
        ("plateau_patience = -1", "at least 0"),
        ("learning_rate = 0", "over 0"),
        ("epochs = 3\nsmall_epochs = 3", "the last must see the whole size"),
        ("[augmentation]\nflip = 1.5", "augmentation.flip lies between 0 and 1"),
        ("[augmentation]\nrotation = -5", "augmentation.rotation"),
        ("robust = 0.1\nmixup = 0.2", "a mixed face is of two"),
        ("batch_size = 4\naccumulate = 5", "at most batch_size"),
        ("batch_size = 64\naccumulate = 40", "at most batch_size / 2"),
        ("batch_size = 1", "batch_size must be at least 2"),
        ("[[also]]\nvalidation_share = 0.1", "is for .data."),
        ("[validation]\nheld_out = 10", "is not trained on"),
        ("margin = -0.3", "margin must be at least 0"),
        ("[data]\nmargin = -0.5", "the margin of a data set is at least 0, not -0.5"),
        ("[validation]\nmargin = -1", "the margin of a data set is at least 0, not -1"),
        ("[[also]]\nmargin = nan", "also.margin is nan, which is no finite number"),
        ("learning_rate = inf", "learning_rate is inf, which is no finite number"),
        ("seed = 9_000_000_000", "seed is 9000000000: numbers go to 2147483647"),
        ("[augmentation]\nshrink_to = [1, 9_000_000_000]", "augmentation.shrink_to is 9000000000"),
        ("[augmentation]\njpeg_quality = [90, 101]", "augmentation.jpeg_quality is at most 100"),
    ],
)
def test_what_is_no_recipe_is_told(tmp_path, text, told):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(BadRecipe, match=told):
        recipe.read_recipe(path)


@pytest.mark.parametrize("name", [name for name, (kind, _) in recipe.flat_fields().items() if kind is float])
def test_what_is_no_number_is_told_of_every_value(name):
    for number in ("nan", "inf", "-inf"):
        with pytest.raises(BadRecipe, match=f"{name} is {number}, which is no finite number"):
            recipe.read_recipe(recipe.DEFAULT, overrides={name: float(number)})


def chips_of(count: int) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, 40, 40), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def test_augmentation_keeps_size_and_range_and_can_be_repeated():
    how = augment.Augmentation(shrink=0.5, shrink_to=(8, 20), jpeg=0.5)
    one, two = (augment.augment(chips_of(8), how=how, chance=Chance(5, device="cpu")) for _ in range(2))
    assert torch.equal(one, two)
    assert one.shape == (8, 3, 40, 40)
    assert one.min() >= 0
    assert one.max() <= 255
    assert not torch.equal(one, chips_of(8).float())


def test_no_augmentation_changes_nothing():
    still = augment.Augmentation(*[0.0] * 9)
    found = augment.augment(chips_of(4), how=still, chance=Chance(5, device="cpu"))
    assert torch.allclose(found, chips_of(4).float(), atol=0.01)
