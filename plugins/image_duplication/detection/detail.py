"""How much detail a picture carries: enlarging, pixelating and noise add pixels, and no detail."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

_LEAST_LINE_PX = 8
_DETAIL_ENERGY = 0.8
"""Share of the energy of grey steps that the detail carries. Higher, and the noise of JPEG files
counts as detail; lower, and fine texture does not: tried on pictures enlarged and reduced."""

_BANDS = 50  # of the spectrum, where single frequencies would say too little

_RHYTHM_LINE_PX = 64  # shorter lines have no room for a rhythm
_RHYTHMS = 512  # between no repetition and one every two pixels
_LOCAL_PX = 17  # a rhythm is sought in what differs from the places around
_STEP_MOST = 8.0  # grey levels; larger steps are edges, and one edge is no rhythm
_CURVE_SPAN = 60.0  # grey levels, likewise
_CURVE_FLOOR = 3.0  # times the mean of the lower half: noise
_JPEG_EVERY = _RHYTHMS // 4  # blocks of 8 pixels repeat at these rhythms
_JPEG_SPREAD = 4
_ABOVE_BLOCKS = {2: 1.25, 3: 0.75}
"""Eighths, and the least power there beside the strongest other of the first three. In 99 of 100
honest photos, saved at qualities 25 to 95, it is below 0.9 and 0.7."""
_ABOVE_BLOCKS_WIDELY = {3: 2.5}
"""The same where curves are taken over five pixels, so that blocks are as strong at three eighths
as at one. Noisy photos whose spectrum falls there have up to 0.9, enlarged by 8/3 above 5."""

_LEAST_REPEAT_RHYTHM = 110
_LEAST_CURVE_RHYTHM = 150
_REPEATS = 0.055  # strength; honest photos have up to 0.05, enlarged by 1.25 and more above 0.06
_REPEATS_AT_JPEG = 0.2  # photos saved at quality 30 have up to 0.18
_HARMONIC = 0.6
_MOST_REPEATS_FROM = 0.36  # of the shares of a rhythm: enlarged by 2.8
_MOST_REPEATS = (0.165, 0.12)  # strengths, below that share and above
_RHYTHM = 14.0  # times the median; honest photos have up to 14
_CLEAR_RHYTHM = 30.0
_DROP_DB = 3.5
_CLEAR_DROP_DB = 1.5
_TRIED_CUTS = (0.5, 0.65, 0.77, 0.35)
_LEAST_FALL_DB = 3.0
_ENLARGED_LOSS = 0.87
"""What an enlargement's detail counts of that in its part of the spectrum: sharpening lifts the
fine part there, so without it a sharpened enlargement measures up to 1.3 of its original."""

_NOISY_DB = -3.0  # change of the grey spectrum over its upper part; noise has 0, photos less
_NOISE_FROM_DB, _NOISE_DB = -0.9, -0.3  # likewise; of the fullest, and noise alone
_NOISE_LEFT = 0.4  # what is not above the noise by this share of it is noise
_NOISE_LOSS = 0.87
_LEAST_PLAIN = 0.002  # share of the energy


@dataclass(frozen=True, slots=True)
class Detail:
    """Shares of the size that the picture needs: for what it `shows`, and for its `true` detail."""

    shown: float
    true: float


@dataclass(frozen=True, slots=True)
class _Spectrum:
    """Sums of energy from the lowest frequency on, with a zero before: of steps, and of greys."""

    steps: Doubles
    greys: Doubles

    def band(self, low: float, high: float) -> float:
        """Mean energy of the steps between two shares of the highest frequency."""
        return _mean_between(self.steps, low, high)

    def grey_band(self, low: float, high: float) -> float:
        return _mean_between(self.greys, low, high)


def measure_detail(rows: Floats, columns: Floats, *, is_page: Callable[[], bool]) -> Detail:
    """The share of the size that the picture's detail needs: where its spectrum ends.

    Takes grey steps from pixel to pixel, a line each. Enlarging adds pixels but no spectrum, so the
    share falls as the size grows. Steps, rather than greys, make the spectrum of a sharp photo
    flat, so that its end is seen.

    Sharpening, noise and repeated pixels fill the spectrum. An enlargement is still known by its
    rhythm: what lies between two pixels of the original differs from what lies on them, at equal
    distances over the whole picture (Gallagher, Detection of Linear and Cubic Interpolation in JPEG
    Compressed Images, 2005). It is then measured below the end that its factor gives.
    Ruled and lettered pages have such a rhythm of their own, so `is_page` is asked before a picture
    is taken for one. White noise is what the upper part of the spectrum holds evenly, and is
    subtracted. What cannot be told: sharpening and slight noise at the size itself, which measure
    up to 1.5 times the original, and an enlargement by less than about 1.3, by more than 5, by an
    odd factor with noise, or saved at low quality.
    """
    sides = [side for side in (rows, columns) if side.shape[1] >= _LEAST_LINE_PX]
    if not sides:
        return Detail(0.0, 0.0)
    spectrum = _measure_spectrum(sides)
    shown = _find_end(spectrum.steps)
    if shown == 0.0 or min(rows.shape[1], columns.shape[1]) < _RHYTHM_LINE_PX:
        return Detail(shown, shown)
    true = _measure_true(rows, columns, spectrum, shown)
    return Detail(shown, shown if true < shown and is_page() else true)


def _measure_true(rows: Floats, columns: Floats, spectrum: _Spectrum, shown: float) -> float:
    if repeat_cut := _find_repeats(rows, columns, spectrum):
        return repeat_cut * _find_end(_below(spectrum.steps, repeat_cut)) * _ENLARGED_LOSS
    flatness_db = _decibels(spectrum.grey_band(0.85, 1.0), spectrum.grey_band(0.6, 0.75))
    noise = _measure_noise(spectrum) if flatness_db > _NOISY_DB else 0.0
    if cut := _find_enlargement(rows, columns, spectrum, noise):
        plain = _without_noise(spectrum, noise or _measure_noise(spectrum))
        return cut * _find_end(_below(plain, cut)) * _ENLARGED_LOSS
    certainty = min(1.0, (flatness_db - _NOISE_FROM_DB) / (_NOISE_DB - _NOISE_FROM_DB))
    if certainty <= 0.0:
        return shown
    plain = _without_noise(spectrum, noise * certainty)
    if plain[-1] < _LEAST_PLAIN * spectrum.steps[-1] * _BANDS / len(spectrum.steps):
        return shown  # a motif that looks like noise, as gravel does
    return _find_end(plain) * (1.0 - (1.0 - _NOISE_LOSS) * certainty)


# The spectrum -------------------------------------------------------------------------------------


def _measure_spectrum(sides: Sequence[Floats]) -> _Spectrum:
    length = cv2.getOptimalDFTSize(max(side.shape[1] for side in sides))
    length += length % 2
    lines = np.zeros((sum(len(side) for side in sides), length), np.float32)
    first = 0
    for side in sides:
        target = lines[first : first + len(side), : side.shape[1]]
        np.multiply(side, _window(side.shape[1]), out=target)
        first += len(side)
    spectrum = np.asarray(cv2.dft(lines, flags=cv2.DFT_ROWS))
    # Rows as OpenCV packs them: the constant, pairs of parts, and the highest frequency.
    energy = np.square(spectrum, out=spectrum).sum(axis=0)[1:-1].reshape(-1, 2).sum(axis=1)
    return _Spectrum(_sum_up(energy), _sum_up(energy / _white(len(energy))))


@functools.cache
def _window(length: int) -> Floats:
    return np.hanning(length + 2)[1:-1].astype(np.float32)


@functools.cache
def _white(count: int) -> Floats:
    """The spectrum of the steps of white noise."""
    share = np.arange(1, count + 1) / count
    return (4.0 * np.sin(np.pi / 2.0 * share) ** 2).astype(np.float32)


@functools.cache
def _white_sums(count: int) -> Doubles:
    return _sum_up(_white(count))


def _sum_up(energy: Floats) -> Doubles:
    sums = np.zeros(len(energy) + 1)
    np.cumsum(energy, dtype=np.float64, out=sums[1:])
    return sums


def _mean_between(sums: Doubles, low: float, high: float) -> float:
    count = len(sums) - 1
    first = int(low * count)
    last = max(first + 1, int(high * count))
    return float(sums[last] - sums[first]) / (last - first)


def _find_end(sums: Doubles) -> float:
    """Share of the frequencies that the detail needs, from the sums of their energy."""
    if sums[-1] <= 0.0:
        return 0.0
    end = float(np.interp(_DETAIL_ENERGY * sums[-1], sums[1:], np.arange(1, len(sums))))
    return min(1.0, end / (len(sums) - 1) / _DETAIL_ENERGY)


def _below(sums: Doubles, cut: float) -> Doubles:
    return sums[: 1 + max(4, int((len(sums) - 1) * cut))]


def _measure_noise(spectrum: _Spectrum) -> float:
    """Energy of the white noise that would fill the upper part of the spectrum."""
    edges = np.linspace(0.6, 1.0, 11) * (len(spectrum.greys) - 1)
    places = edges.astype(np.intp)
    bands = np.diff(spectrum.greys[places]) / np.maximum(np.diff(places), 1)
    return float(np.sort(bands)[len(bands) // 2])


def _without_noise(spectrum: _Spectrum, noise: float) -> Doubles:
    count = len(spectrum.steps) - 1
    places = np.linspace(0, count, min(_BANDS, count) + 1).astype(np.intp)
    white = noise * np.diff(_white_sums(count)[places])
    plain = np.diff(spectrum.steps[places]) - white
    plain[plain < _NOISE_LEFT * white] = 0.0
    return np.concatenate([[0.0], np.cumsum(plain / np.maximum(np.diff(places), 1))])


def _decibels(energy: float, other: float) -> float:
    return float(10.0 * np.log10((energy + 1e-6) / (other + 1e-6)))


def _measure_drop(spectrum: _Spectrum, cut: float, noise: float = 0.0) -> float:
    """By how many decibels the spectrum is higher below a place than above it, without noise."""
    white = _white_sums(len(spectrum.steps) - 1)
    levels = []
    for low, high in ((0.55 * cut, 0.9 * cut), (min(1.1 * cut, 0.9), min(1.5 * cut, 1.0))):
        floor = noise * _mean_between(white, low, high)
        levels.append(max(spectrum.band(low, high) - floor, 0.02 * floor))
    return _decibels(levels[0], levels[1])


# The rhythm of an enlargement ---------------------------------------------------------------------


def _find_repeats(rows: Floats, columns: Floats, spectrum: _Spectrum) -> float | None:
    """Where the spectrum of the original ends, in one enlarged by repeating its pixels."""
    profiles = [_profile_repeats(rows), _profile_repeats(columns)]
    strength = np.sqrt(np.sqrt(np.prod(_measure_rhythms(profiles), axis=0)))
    strength[:_LEAST_REPEAT_RHYTHM] = 0.0
    rhythm = int(strength.argmax())
    is_jpeg = _is_jpeg_rhythm(rhythm)
    found = strength[rhythm]
    if found < (_REPEATS_AT_JPEG if is_jpeg else _REPEATS):
        return None
    for part in (4, 3, 2):
        slower = rhythm // part
        around = strength[slower - 2 : slower + 3]
        if slower >= _LEAST_REPEAT_RHYTHM and around.max() > _HARMONIC * found:
            rhythm = slower
            break
    share = rhythm / (2 * _RHYTHMS)
    # Interpolated pixels have this rhythm too, and leave the upper spectrum empty.
    if not is_jpeg and _measure_drop(spectrum, 1.0 - share) >= _DROP_DB:
        return None
    # One repeated pixel of three looks as regular as two of three, and is half as strong.
    is_mostly_repeats = found >= _MOST_REPEATS[share > _MOST_REPEATS_FROM]
    return share if is_mostly_repeats else 1.0 - share


def _profile_repeats(steps: Floats) -> Floats:
    """Where steps are small at the same places of all lines, weighted to a sum of 1."""
    sizes = cv2.threshold(np.abs(steps), _STEP_MOST, 0.0, cv2.THRESH_TRUNC)[1]
    profile, local = _average(sizes)
    weight = np.minimum(local, 2.0) * _window(len(local))
    level = local + np.float32(0.3)
    unevenness = np.minimum(profile / level, 4.0) - local / level
    return np.asarray(unevenness * (weight / (float(weight.sum()) + 1e-9)))


def _average(sizes: npt.NDArray[Any]) -> tuple[Floats, Floats]:
    """The mean of all lines by place, and the same of the places around."""
    profile = np.asarray(cv2.reduce(sizes, 0, cv2.REDUCE_AVG))
    local = cv2.blur(profile, (_LOCAL_PX, 1), borderType=cv2.BORDER_REFLECT_101)
    return profile[0], np.asarray(local)[0]


def _measure_rhythms(profiles: Sequence[Floats]) -> Floats:
    """Power of every rhythm in each profile, shape (profiles, rhythms)."""
    lines = np.zeros((len(profiles), 2 * _RHYTHMS), np.float32)
    for line, profile in zip(lines, profiles, strict=True):
        line[: len(profile)] = profile
    parts = np.square(cv2.dft(lines, flags=cv2.DFT_ROWS))
    power = np.zeros((len(profiles), _RHYTHMS + 1), np.float32)
    power[:, 1:-1] = parts[:, 1:-1:2] + parts[:, 2:-1:2]
    power[:, -1] = parts[:, -1]
    return power


def _find_enlargement(
    rows: Floats, columns: Floats, spectrum: _Spectrum, noise: float
) -> float | None:
    """Where the spectrum of the original ends, in one enlarged by interpolation."""
    # Where the spectrum falls nowhere, there is nothing to look for, and looking takes its time.
    falls = any(_measure_drop(spectrum, cut) >= _LEAST_FALL_DB for cut in _TRIED_CUTS)
    if not falls and not noise:
        return None
    rhythms = _measure_curves(rows, columns, (-1.0, 2.0, -1.0))
    cut = _find_cut(_leave_out_blocks(rhythms, _ABOVE_BLOCKS), spectrum, 0.0, least=_RHYTHM)
    if cut is None and noise:
        # Leaves out the highest frequencies, where the noise is.
        rhythms = _measure_curves(rows, columns, (-1.0, 0.0, 2.0, 0.0, -1.0))
        blocks = max(
            rhythms[place - 3 : place + 4].max() for place in range(_JPEG_EVERY, _RHYTHMS, 128)
        )
        last = rhythms[-_JPEG_SPREAD - 1 :]
        if last.max() < 3.0 * blocks:
            last[:] = 0.0
        rhythms = _leave_out_blocks(rhythms, _ABOVE_BLOCKS_WIDELY)
        cut = _find_cut(rhythms, spectrum, noise, least=_CLEAR_RHYTHM)
    return cut


def _find_cut(rhythms: Floats, spectrum: _Spectrum, noise: float, *, least: float) -> float | None:
    rhythm = int(rhythms.argmax())
    if rhythms[rhythm] < least:
        return None
    share = rhythm / (2 * _RHYTHMS)
    # A rhythm has two factors, as a wheel in a film turns either way.
    drop, cut = max((_measure_drop(spectrum, cut, noise), cut) for cut in (share, 1.0 - share))
    is_clear = rhythms[rhythm] >= _CLEAR_RHYTHM
    return cut if drop >= (_CLEAR_DROP_DB if is_clear else _DROP_DB) else None


def _leave_out_blocks(rhythms: Floats, above_blocks: Mapping[int, float]) -> Floats:
    """The rhythms at which enlargements are sought, others 0.

    The edges of JPEG blocks repeat at every eighth, all in a fixed proportion. An enlargement by
    4/3, 8/5 or 8/3 repeats at one of them, and is known by being stronger there than blocks are.
    """
    places = {eighths: _find_peak(rhythms, eighths * _JPEG_EVERY) for eighths in (1, 2, 3)}
    kept = np.where(_curve_rhythms(), rhythms, 0.0)
    for eighths, least in above_blocks.items():
        others = max(rhythms[place] for other, place in places.items() if other != eighths)
        if rhythms[places[eighths]] >= least * others:
            kept[places[eighths]] = rhythms[places[eighths]]
    return kept


def _find_peak(rhythms: Floats, around: int) -> int:
    first = around - _JPEG_SPREAD
    return first + int(rhythms[first : around + _JPEG_SPREAD + 1].argmax())


@functools.cache
def _curve_rhythms() -> npt.NDArray[np.bool_]:
    """The rhythms at which enlargements are sought."""
    # The last of them is also that of pictures enlarged by 2.
    last = _RHYTHMS - _JPEG_SPREAD
    return np.array(
        [
            rhythm >= _LEAST_CURVE_RHYTHM and (rhythm >= last or not _is_jpeg_rhythm(rhythm))
            for rhythm in range(_RHYTHMS + 1)
        ],
        np.bool_,
    )


def _is_jpeg_rhythm(rhythm: int) -> bool:
    return abs((rhythm + _JPEG_EVERY // 2) % _JPEG_EVERY - _JPEG_EVERY // 2) <= _JPEG_SPREAD


def _measure_curves(rows: Floats, columns: Floats, kernel: Sequence[float]) -> Floats:
    """Power of every rhythm, of 1 in the median, in how the steps along the lines change."""
    power = _measure_rhythms([_profile_curves(rows, kernel), _profile_curves(columns, kernel)])
    total = power[0] + power[1]
    middle = float(np.partition(total, _RHYTHMS // 2)[_RHYTHMS // 2])
    return np.asarray(total / max(middle, 1e-9))


def _profile_curves(steps: Floats, kernel: Sequence[float]) -> Floats:
    """How much the steps change at each place of all lines, beside the places around."""
    margin = len(kernel) // 2
    curves = np.asarray(cv2.filter2D(steps, -1, np.array([kernel], np.float32)))
    sizes = np.abs(curves[:, margin:-margin])
    sample = np.sort(sizes[::4, ::9], axis=None)
    floor = _CURVE_FLOOR * float(sample[: len(sample) // 2].mean())
    profile, local = _average(np.clip(sizes, floor, floor + _CURVE_SPAN, out=sizes))
    unevenness = (profile - local) * _window(len(local))
    return np.asarray(unevenness / (float(unevenness @ unevenness) ** 0.5 + 1e-9))
