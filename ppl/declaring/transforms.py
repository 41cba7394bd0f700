"""Which change of variables a declaration means, and that it leaves nothing of the support out."""

from __future__ import annotations

from typing import Any, Literal

from pymc.distributions import transforms
from pymc.logprob.transforms import ChainedTransform, Transform
from pytensor.tensor.variable import TensorVariable

from graphs.errors import ModelError
from graphs.variables.transform_images import Image, image_of, support_image
from graphs.variables.transforms import default_transform

NAMED_TRANSFORMS: dict[str, Transform] = {
    name: getattr(transforms, name) for name in ("circular", "log", "log_exp_m1", "logodds", "ordered", "simplex")
}


def resolve_transform(
    rv: TensorVariable, transform: str | Transform | None, default: Transform | str | None, name: str
) -> Transform | Literal["default"] | None:
    """Return the whole change of variables of ``rv``: like PyMC, the default one first, then the one asked for.

    What is asked for may also be the whole of it, such as an interval of these very bounds.

    Raises
    ------
    ModelError
        If part of the support would be left out.
    """
    if default != "default":
        return _replaced_transform(rv, transform, default, name)
    if transform is None or (isinstance(transform, str) and transform == "default"):
        return transform
    chosen = _as_transform(rv, transform, name)
    own = default_transform(rv)
    candidates = [chosen] if own is None else [chosen, ChainedTransform([own, chosen])]
    support = support_image(rv)
    if support is None:
        return candidates[-1]
    for candidate in candidates:
        image = image_of(candidate, rv)
        if image is not None and image.covers(support) and support.covers(image):
            return candidate
    images = [image_of(candidate, rv) for candidate in candidates]
    if images[-1] is None:
        return candidates[-1]
    raise _leaving_out(name, candidates[-1], images[-1], support)


def _replaced_transform(
    rv: TensorVariable, transform: str | Transform | None, default: Any, name: str
) -> Transform | None:
    """Return a change of variables without the default one, or with another in its place."""
    steps = [_as_transform(rv, t, name) for t in (default, transform) if t is not None and t != "default"]
    if not steps:
        return None
    whole = steps[0] if len(steps) == 1 else ChainedTransform(steps)
    check_transform(rv, whole, name)
    return whole


def check_transform(rv: TensorVariable, transform: Transform | None, name: str) -> None:
    """Raise if a change of variables leaves out part of the support of a random variable."""
    if transform is None:
        return
    support, image = support_image(rv), image_of(transform, rv)
    if support is not None and image is not None and not image.covers(support):
        raise _leaving_out(name, transform, image, support)


def reaches_beyond(rv: TensorVariable, transform: Transform) -> bool:
    """Whether a change of variables takes some numbers to where a random variable is never found."""
    support, image = support_image(rv), image_of(transform, rv)
    return support is not None and image is not None and not support.covers(image)


def _leaving_out(name: str, transform: Transform, image: Image, support: Image) -> ModelError:
    steps = transform.transform_list if isinstance(transform, ChainedTransform) else [transform]
    what = " of ".join(str(getattr(step, "name", step)) for step in steps)
    part = ("only some of the " if image.vectors else "part of ") if image.is_partial else ""
    return ModelError(
        f"The transform {what} of {name} reaches {part}{image}, but {name} lies in {support}. Leave transform out: "
        "the default is that of the support. To restrict a variable, use ppl.Truncated; to say what comes first in the "
        "place of the default, or that nothing does, default_transform=None.",
        name,
    )


def _as_transform(rv: TensorVariable, transform: Any, name: str) -> Transform:
    """Read the name of a transform, or a transform."""
    if not str(rv.type.dtype).startswith("float"):
        raise ModelError(f"{name} is discrete and cannot be transformed: leave transform out.", name)
    if isinstance(transform, str):
        if transform not in NAMED_TRANSFORMS:
            raise ModelError(
                f"Unknown transform {transform!r} of {name}; choose from {', '.join(NAMED_TRANSFORMS)}, 'default', "
                "None, or give one of pymc.distributions.transforms.",
                name,
            )
        transform = NAMED_TRANSFORMS[transform]
    if not isinstance(transform, Transform):
        raise ModelError(
            f"The transform of {name} is {transform!r}; it has to be a name ({', '.join(NAMED_TRANSFORMS)}), "
            "'default', None, or one of pymc.distributions.transforms.",
            name,
        )
    if rv.type.ndim < (getattr(transform, "ndim_supp", 0) or 0):
        raise ModelError(
            f"The transform {transform.name!r} works along the last axis, but {name} has {rv.type.ndim} axes: "
            "give it a size.",
            name,
        )
    return transform
