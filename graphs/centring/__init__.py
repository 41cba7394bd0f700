"""Coordinates between centred and non-centred ones, of variables that have a location and a scale."""

from graphs.centring.families import is_located as is_located
from graphs.centring.families import located as located
from graphs.centring.partial import PartialCentring as PartialCentring
from graphs.centring.partial import partial_centring as partial_centring
from graphs.centring.reasons import why_as_declared as why_as_declared
from graphs.centring.reasons import why_not_located as why_not_located
