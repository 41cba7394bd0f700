"""Auxiliary variables that give full conditionals where a term alone has none."""

from graphs.augmentation.augment import Augmented, augment, find_augmentations
from graphs.augmentation.auxiliary import Auxiliary
from graphs.augmentation.search import Augmenter, Group

__all__ = ["Augmented", "Augmenter", "Auxiliary", "Group", "augment", "find_augmentations"]
