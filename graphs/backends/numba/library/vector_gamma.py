"""The gamma function's logarithm and derivative without branches or calls, for loops that LLVM vectorises.

Between 1/2 and 8.5 the argument is moved to ``2 + w`` with ``|w| <= 1/2`` by the recurrence, whose factors are
multiplied first so that one logarithm is enough, and a polynomial in w follows; below 1/2 one step of the recurrence
leads to a polynomial near 1; above 8.5, Stirling's series; below 0, reflection.
The zeros of the logarithm at 1 and 2 are factors of the polynomials: there is no loss of digits near them.

References
----------
DLMF (2024), sections 5.5 (recurrence, reflection) and 5.11 (asymptotic series).
"""

from __future__ import annotations

import math

from graphs.backends.numba.library.intrinsics import select
from graphs.backends.numba.library.vector_math import ROUNDER, fused, log, log_and_rest, polynomial
from graphs.backends.numba.machine_code.kept import njit

LOG_PI = math.log(math.pi)
HALF_LOG_2PI_LESS_HALF = 0.5 * math.log(2.0 * math.pi) - 0.5
FIRST_LARGE = 8.5
LAST_WITH_FRACTION = 2.0**51

# log(gamma(2 + w)) / w and digamma(2 + w) for |w| <= 1/2: Chebyshev interpolation in 60 digits, errors below 3e-18.
LOG_GAMMA = (
    0.42278433509846713,
    0.32246703342411326,
    -0.0673523010531981,
    0.02058080842778038,
    -0.0073855510286719986,
    0.002890510331034267,
    -0.0011927539118428156,
    0.0005096695154115458,
    -0.00022315475400520507,
    9.945767355819498e-05,
    -4.49263133791557e-05,
    2.0505590755833454e-05,
    -9.438715099211532e-06,
    4.38470440459836e-06,
    -2.0439048107029907e-06,
    9.200527894968101e-07,
    -4.3252393445604814e-07,
    2.78740805211359e-07,
    -1.3219945666117874e-07,
)
DIGAMMA = (
    0.42278433509846713,
    0.6449340668482264,
    -0.20205690315959524,
    0.08232323371113867,
    -0.036927755143244,
    0.01734306198438618,
    -0.008349277388351162,
    0.004077356201158327,
    -0.0020083926597339397,
    0.000994575044648632,
    -0.0004941910706674096,
    0.0002460877865122942,
    -0.00012269116296546469,
    6.123704338305966e-05,
    -3.0710978704203905e-05,
    1.53436270842166e-05,
    -7.231701017698152e-06,
    3.6145567803015683e-06,
    -2.627891771944428e-06,
    1.3137798782020037e-06,
)
# log(gamma(1.125 + u)) / (u + 0.125) for |u| <= 0.375, errors below 1e-18: near 0 and 1 the recurrence would cancel
# digits.
NEAR_ONE = (
    -0.48018547300831665,
    0.7335424776996944,
    -0.31580604164541703,
    0.18866417564908533,
    -0.12817371733732963,
    0.0930276677810083,
    -0.07022575728644434,
    0.054398365936347115,
    -0.04291278228375871,
    0.03431576138899791,
    -0.02773339828544845,
    0.02260565229949696,
    -0.01855659652398215,
    0.015326703508536564,
    -0.012721270290297881,
    0.01056892738492814,
    -0.00884475083801441,
    0.007718401079069206,
    -0.006505100479452842,
    0.004044913719284684,
    -0.0034151537071772146,
    0.007022022163502789,
    -0.005984776659115886,
)
# sin(pi * r) / r in powers of r**2, for |r| <= 1/2.
SINE = (
    3.141592653589793,
    -5.16771278004997,
    2.5501640398773446,
    -0.5992645293207921,
    0.0821458866112311,
    -0.007370430945716357,
    0.00046630280115942475,
    -2.1915353357947912e-05,
    7.952896632786532e-07,
    -2.295007254707872e-08,
)
# B(2k) / (2k * (2k - 1)), and B(2k) / (2k).
STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400)
DIGAMMA_SERIES = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12, -3617 / 8160)

_log_gamma_polynomial = polynomial(LOG_GAMMA[1:])
_near_one_polynomial = polynomial(NEAR_ONE[1:])
_digamma_polynomial = polynomial(DIGAMMA)
_sine_polynomial = polynomial(SINE)
_stirling_polynomial = polynomial(STIRLING)
_digamma_series_polynomial = polynomial(DIGAMMA_SERIES)


@njit(cache=True, forceinline=True, error_model="numpy")
def _factor(z: float, is_used: bool) -> float:
    return select(is_used, z, 1.0)


@njit(cache=True, forceinline=True, error_model="numpy")
def _steps(z: float) -> tuple[float, float]:
    """Return the integer nearest to z, in (0.5, 8.5), and the product that the recurrence to 2 + w needs."""
    n = (z + ROUNDER) - ROUNDER
    below = _factor(z, n < 1.5)
    above = _factor(z - 1.0, n > 2.5) * _factor(z - 2.0, n > 3.5) * _factor(z - 3.0, n > 4.5)
    above *= _factor(z - 4.0, n > 5.5) * _factor(z - 5.0, n > 6.5) * _factor(z - 6.0, n > 7.5)
    return n, below * above


@njit(cache=True, forceinline=True, error_model="numpy")
def _distance(x: float) -> float:
    """Return x less the nearest integer."""
    return select(abs(x) < LAST_WITH_FRACTION, x - ((x + ROUNDER) - ROUNDER), 0.0)


@njit(cache=True, forceinline=True, error_model="numpy")
def _times_sum(factor: float, constant: float, u: float, rest: float) -> tuple[float, float]:
    """Return ``factor * (constant + u * rest)``, and a correction to it."""
    product = u * rest
    p = constant + product
    lost = ((constant - p) + product) + fused(u, rest, -product)
    value = factor * p
    return value, fused(factor, p, -value) + factor * lost


@njit(cache=True, forceinline=True, error_model="numpy")
def lgamma(x: float) -> float:
    """Return the logarithm of the absolute value of the gamma function."""
    is_reflected = x < 0.0
    # gamma(1 - x) = -x gamma(-x), where -x is exact.
    is_far = x < -0.5
    y = select(is_far, -x, select(is_reflected, 1.0 - x, x))
    is_large = y >= FIRST_LARGE
    n, product = _steps(select(is_large, 2.0, y))
    logarithm, lost = log_and_rest(select(is_large, y, select(y <= 0.5, y, product)))
    w = select(is_large, 2.0, y) - n
    sign = select(n < 1.5, -1.0, 1.0)
    small, small_rest = _times_sum(w, LOG_GAMMA[0], w, _log_gamma_polynomial(w))
    small = (small + (small_rest + sign * lost)) + sign * logarithm
    inverse = 1.0 / select(is_large, y, FIRST_LARGE)
    series = inverse * _stirling_polynomial(inverse * inverse)
    # log y - 1, not log y - y at the end: infinity stays infinity.
    large = (y - 0.5) * (logarithm - 1.0) + (
        (HALF_LOG_2PI_LESS_HALF + series) + select(y < math.inf, (y - 0.5) * lost, 0.0)
    )
    # log(gamma(y)) or, near zero, log(gamma(1 + y)).
    distance = select(y <= 0.5, y, y - 1.0)
    u = distance - 0.125
    near_one, near_one_rest = _times_sum(distance, NEAR_ONE[0], u, _near_one_polynomial(u))
    near_zero = (near_one + (near_one_rest - lost)) - logarithm
    near_one += near_one_rest
    value = select(y <= 0.5, near_zero, select((y > 0.75) & (y < 1.5), near_one, small))
    value = select(is_large, large, value)
    r = _distance(x)
    sine = abs(r) * _sine_polynomial(r * r)
    log_sine, lost_of_sine = log_and_rest(sine * select(is_far, -x, 1.0))
    reflected = ((LOG_PI - log_sine) - value) - lost_of_sine
    return select(x == -math.inf, math.inf, select(is_reflected, reflected, value))


@njit(cache=True, forceinline=True, error_model="numpy")
def _reciprocals(z: float, n: float) -> float:
    """Return what the recurrence adds to the digamma function of ``2 + w``."""
    below = 1.0 / z + select(n < 0.5, 1.0 / (z + 1.0), 0.0)
    a, b, c = _factor(z - 1.0, n > 2.5), _factor(z - 2.0, n > 3.5), _factor(z - 3.0, n > 4.5)
    d, e, f = _factor(z - 4.0, n > 5.5), _factor(z - 5.0, n > 6.5), _factor(z - 6.0, n > 7.5)
    # 1/a + 1/b + ... as one fraction; a factor that is not used takes no part in the numerator.
    first = a * select(n > 3.5, 1.0, 0.0) + b
    first_three = first * c + a * b * select(n > 4.5, 1.0, 0.0)
    second = d * select(n > 6.5, 1.0, 0.0) + e * select(n > 5.5, 1.0, 0.0)
    second_three = second * f + d * e * select(n > 7.5, 1.0, 0.0)
    first_product, second_product = a * b * c, d * e * f
    above = (first_three * second_product + second_three * first_product) / (first_product * second_product)
    return select(n < 1.5, -below, select(n > 2.5, above, 0.0))


@njit(cache=True, forceinline=True, error_model="numpy")
def digamma(x: float) -> float:
    """Return the derivative of the logarithm of the gamma function; NaN at its poles."""
    is_reflected = x <= 0.0
    y = select(is_reflected, 1.0 - x, x)
    is_large = y >= FIRST_LARGE
    z = select(is_large, 2.0, y)
    n = (z + ROUNDER) - ROUNDER
    small = _digamma_polynomial(z - n) + _reciprocals(z, n)
    inverse = 1.0 / select(is_large, y, FIRST_LARGE)
    square = inverse * inverse
    large = log(select(is_large, y, 1.0)) - 0.5 * inverse - square * _digamma_series_polynomial(square)
    value = select(is_large, large, small)
    r = _distance(x)
    sine = r * _sine_polynomial(r * r)
    rest = 0.5 - abs(r)
    cosine = rest * _sine_polynomial(rest * rest)
    pole = select(r == 0.0, math.nan, math.pi * cosine / sine)
    return select(is_reflected, value - pole, value)


NAMES = {"vector_digamma": digamma, "vector_lgamma": lgamma}
"""What generated source calls inside loops."""
