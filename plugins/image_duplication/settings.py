"""The project's settings: one frozen object, validated once, from `include/config/settings.yaml`.

Environment variables override the file (`IMAGE_DUPLICATION__DOWNLOAD__IN_FLIGHT=32`; lists and
mappings as JSON), and a run's own choices override both.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from image_duplication.errors import ConfigurationError
from image_duplication.records import Engine

INCLUDE_VARIABLE = "IMAGE_DUPLICATION_INCLUDE"
_PREFIX = "IMAGE_DUPLICATION__"


def _known_timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"unknown time zone {name!r}; expected an IANA name, e.g. UTC") from error
    return name


def _usable_root(root: str) -> str:
    if re.match(r"\w+:/(?!/)", root):
        raise ValueError(f"{root!r} is neither a path nor a URL; expected e.g. file:///folder")
    return root


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StorageSettings(_Section):
    """Where everything is kept."""

    root: Annotated[str, AfterValidator(_usable_root)] = Field("build/data", min_length=1)
    """URL or path of the storage root; a relative path starts at the folder that holds include/."""


class SourceSettings(_Section):
    """How the catalogue database is read."""

    timezone: Annotated[str, AfterValidator(_known_timezone)] = "UTC"
    """Zone of `updated_at` values that carry none."""
    fetch_rows: int = Field(2_000, ge=1, le=100_000)
    """Rows fetched from the server at a time."""
    max_url_length: int = Field(4_096, ge=64, le=65_536)
    """Characters; a longer URL becomes a row with the reason `url_too_long`."""


class PlanSettings(_Section):
    """How a run is cut into work units."""

    part_size_images: int = Field(20_000, ge=1)
    """Images in one part; a larger category is split between variants."""
    max_units_per_run: int = Field(200, ge=1, le=1_024)
    """Further units go to sibling runs. Airflow's own limit (`core.max_map_length`) is 1,024, but
    its scheduler slows down with the number of mapped tasks: see docs/benchmarks.md."""
    categories_file: str | None = None
    """CSV with `name` and `id` columns, relative to include/config; None: ask the database."""
    lease_hours: int = Field(14, ge=1, le=168)
    """A run that died keeps its categories for so long; more than any task of a run may take."""
    seconds_per_image: float = Field(0.02, gt=0, le=3_600)
    """Expected time of an image through all stages, for the estimate that `plan_only` prints."""


class PolicySettings(_Section):
    """The marketplace's rule."""

    required_pictures: int = Field(3, ge=1, le=50)
    """Different usable pictures that each variant must show."""
    min_side_px: int = Field(33, ge=1)
    """A picture whose shorter side is below this is not usable."""


class UrlSettings(_Section):
    """The standard form of an image URL."""

    image_base: str = Field("https://assets-bg.gem.gov.in", pattern=r"^https?://[^/\s]+$")
    """Scheme and host that the rules write for `{image_base}`."""
    allowed_hosts: tuple[str, ...] = Field(("gem.gov.in", "*.gem.gov.in"), min_length=1)
    """Exact host names, or `*.` and a domain for all hosts below it."""
    allowed_schemes: tuple[str, ...] = Field(("https", "http"), min_length=1)


class DownloadSettings(_Section):
    """How pictures are fetched. All bounds are for one image unless they say otherwise."""

    in_flight: int = Field(64, ge=1, le=1_024)
    """Requests of one task under way at once."""
    processes: int = Field(0, ge=0, le=64)
    """Processes that share one unit's downloads; 0: as the machine and the unit's size suggest."""
    connections_per_host: int = Field(64, ge=1, le=1_024)
    """Requests of one task under way at once to one host."""
    rate_per_host_per_s: float | None = Field(200.0, gt=0)
    """Requests a second to one host, by the whole deployment; None: no limit."""
    pool_slots: int = Field(4, ge=1)
    """Slots of the Airflow pool `image_downloads`: as many tasks share the rate."""
    connect_timeout_s: float = Field(5.0, gt=0, le=3_600)
    read_timeout_s: float = Field(15.0, gt=0, le=3_600)
    total_timeout_s: float = Field(60.0, gt=0, le=3_600)
    """From the first byte asked for to the last one read, without waits between attempts."""
    max_attempts: int = Field(4, ge=1, le=20)
    backoff_s: float = Field(0.5, gt=0, le=3_600)
    """First wait before another attempt; doubles each time, with jitter."""
    max_wait_s: float = Field(30.0, gt=0, le=3_600)
    """Longest wait between attempts, whatever `Retry-After` asks for."""
    max_redirects: int = Field(3, ge=0, le=20)
    max_bytes: int = Field(20 * 1024 * 1024, ge=1_024)
    max_pixels: int = Field(40_000_000, ge=1_024)
    formats: tuple[Literal["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"], ...] = Field(
        ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"), min_length=1
    )
    """Pillow's names of the formats that are accepted."""
    private_hosts: tuple[str, ...] = ()
    """Hosts that may resolve to a private or loopback address."""
    max_failed_share: float = Field(0.2, ge=0, le=1)
    """Of a unit's pictures; above it the unit is retried, then goes on as degraded."""
    revalidate_days: int = Field(28, ge=0, le=3_650)
    """Days for which a picture of an unchanged row is taken as it was; then its host is asked once,
    with the condition that it changed. 0: asked by each run."""
    tolerated_failures: int = Field(3, ge=0)
    """Failed pictures of a unit that are never too many, whatever their share."""
    user_agent: str = Field(
        "GeM-ImageDuplication/0.1 (catalogue quality check)", pattern=r"^[!-~][ -~]*$"
    )
    """Printable ASCII, as an HTTP header takes it."""


class DifpySettings(_Section):
    """The engine `difpy`: what it is given."""

    pixel_size: int = Field(50, ge=10, le=1_000)
    """Side in px to which difPy reduces each picture."""
    similarity_mse: float = Field(5.0, ge=0, le=200)
    """Largest mean squared error of a match; 0 is difPy's `duplicates`, 5 its `similar`.
    Above 200 difPy's own arithmetic accepts every pair, so nothing above is allowed."""
    same_dimensions: bool = False
    """Compare only pictures of the same width and height."""


class PerceptualSettings(_Section):
    """The engine `perceptual`: how alike two thumbnails must be."""

    correlation: float = Field(0.97, ge=0.85, le=1)
    """Least correlation, over eight orientations, at which two pictures are laid over each other
    whole."""


def _share(default: float) -> Any:
    return Field(default, ge=0, le=1)


class ThroughoutSettings(_Section):
    """Least agreement of two pictures that agree everywhere. All are shares of 1."""

    overlap: float = _share(0.8)
    coarse: float = _share(0.86)
    fine: float = _share(0.70)
    cells: float = _share(0.78)
    edges: float = _share(0.75)
    edges_least: float = _share(0.75)
    contradicted: float = _share(0.12)


class KeptSettings(_Section):
    """Least agreement when one picture shows all that the other shows, and more."""

    edges: float = _share(0.89)
    fine: float = _share(0.66)
    edges_if_alike: float = _share(0.79)
    fine_if_alike: float = _share(0.60)
    edges_least: float = _share(0.6)
    """Where the fewest edges are kept: an overlay covers a little everywhere, a frame goods."""
    alike: float = _share(0.955)
    """Correlation of the thumbnails from which the two lower limits hold."""
    coarse: float = _share(0.4)
    contradicted_inside: float = _share(0.75)


class PatchedSettings(_Section):
    """Least agreement outside one connected place that is covered."""

    remaining: float = _share(0.8)
    fine: float = _share(0.55)
    scattered: float = _share(0.03)
    edges: float = _share(0.84)
    """Edges kept, from which the following three limits hold instead."""
    remaining_with_edges: float = _share(0.87)
    fine_with_edges: float = _share(0.66)
    scattered_with_edges: float = _share(0.09)
    contradicted: float = _share(0.45)
    contradicted_inside: float = _share(0.2)


class GoodsSettings(_Section):
    """Agreement within the goods, where they stand before a plain backdrop in one picture."""

    agreement: float = _share(0.8)
    """From which the same goods were put before another backdrop."""
    edges: float = _share(0.36)
    """Edges kept: else it is a frame that agrees, not what is in it."""
    correlation: float = _share(0.9)
    """Of all their greys: else a frame has most of the texture, and not what is in it."""
    least_kept: float = _share(0.66)
    """Of one picture's own texture; below it only a cut-out counts: the goods' other side."""
    least_agreement_if_laid_anew: float = _share(0.9)
    """Of plain goods, whose outline fits only in perspective: their other side, laid out again."""
    laid_anew_perspective: float = Field(0.01, ge=0)
    laid_anew_keypoints: int = Field(30, ge=0)
    """Fewer that agree are those of an outline."""
    recoloured_outline: float = _share(0.2)
    """Of the overlap; beyond it a plain shape of another size is no evidence."""
    cells: int = Field(5, ge=1, le=64)
    """Of 64, that the goods must fill for their agreement to count."""


class CutoutSettings(_Section):
    """Least agreement of the goods' own pixels, where they were put before another backdrop.

    Its contrast turns the outline itself, so that what lies up to it counts alone.
    """

    agreement: float = _share(0.85)
    correlation: float = _share(0.97)
    """Of all their greys, which a cut leaves as they are, or changes together."""
    contradicted_cells: int = Field(1, ge=0, le=64)
    """Most of 64 in one place that does not agree: of a frame, that place is what is in it."""
    cells: int = Field(8, ge=1, le=64)
    """Of 64, that the goods' texture must fill."""


class AlignedSettings(_Section):
    """The engine `aligned`: how well two pictures must agree where one lies over the other.

    The figures are those of `detection.evidence.Alignment`; where they come from: docs/accuracy.md.
    """

    least_overlap: float = _share(0.93)
    """Of the picture that is seen more completely in the other."""
    least_cells: int = Field(3, ge=1, le=64)
    """Of 64, that show enough to be compared."""
    most_anisotropy: float = Field(1.45, ge=1)
    most_perspective: float = Field(0.35, ge=0)
    doubtful_perspective: float = Field(0.03, ge=0)
    """Above it, and for mirror images, every limit is higher by `extra_in_doubt`."""
    extra_in_doubt: float = _share(0.1)
    disputed_inside: float = Field(0.25, ge=0.15, le=1)
    """Of the cells not at the edge, contradicted: so much, with the next, is another thing in the
    same frame."""
    most_unlike: float = _share(0.02)
    """Of the overlap, where both pictures have texture and nothing in common."""
    most_letters_unlike: float = _share(0.005)
    """Of what is written on two charts, labels or drawings: beyond it they say different things."""
    throughout: ThroughoutSettings = ThroughoutSettings()
    kept: KeptSettings = KeptSettings()
    patched: PatchedSettings = PatchedSettings()
    goods: GoodsSettings = GoodsSettings()
    cutout: CutoutSettings = CutoutSettings()


class DetectionSettings(_Section):
    """Which engines judge, and the limits by which they do.

    How evidence is computed has constants of its own, which the feature version stands for.
    """

    engines: tuple[Engine, ...] = Field(tuple(Engine), min_length=1)
    """Asked in the order of `records.Engine`, whatever their order here."""
    difpy: DifpySettings = DifpySettings()
    perceptual: PerceptualSettings = PerceptualSettings()
    aligned: AlignedSettings = AlignedSettings()
    close_up_share: float = Field(0.2, gt=0, le=1)
    """A crop that shows less than this share of the other picture's area is a close-up: related,
    not a duplicate."""
    processes: int = Field(0, ge=0, le=64)
    """Processes that share one unit; 0: as the machine and the unit's size suggest."""
    task_slots: int = Field(1, ge=1)
    """Tasks that share this machine; each takes its part of the cores."""


class ReportSettings(_Section):
    """What is written beside the reports."""

    write_extract_csv: bool = True
    gallery_inline_mb: float = Field(15.0, ge=0, le=1_000)
    """Of thumbnails, up to which a gallery holds them itself, in MB of page, so that it can be sent
    by e-mail; beyond it refers to them beside it."""


class AlertSettings(_Section):
    """Of what a person is told; who is told, and by which way, Airflow connections say."""

    most_new_share: float = Field(0.2, gt=0, le=1)
    """Newly found duplicates and related pictures of a category, of its images that the run judged;
    beyond it duplicates have jumped."""
    least_new: int = Field(50, ge=1)
    """Fewer new ones are no jump, whatever their share."""
    runbook: str = Field("docs/runbook.md", min_length=1)
    """Address of the runbook, as the receivers of alerts reach it."""


class RemovalSettings(_Section):
    """What a removal may take, and whose word it needs."""

    max_share: float = Field(0.1, ge=0, le=1)
    """Of a category's active images (or variants); above it the approval needs typed words."""
    batch_rows: int = Field(500, ge=1, le=10_000)
    """Rows of the source that are changed in one transaction."""
    notice_days: int = Field(14, ge=0, le=3_650)
    """From the notice to the seller until a variant that is still short may be proposed."""
    allow_unreviewed_identical: bool = False
    """Propose findings of equal bytes that nobody has reviewed."""
    require_second_person: bool = True
    """Whoever approves is not who proposed."""
    ask_hosts: bool = True
    """Ask, before rows are changed, whether their pictures still are those that were judged; else
    the latest judgement counts."""
    approval_days: float = Field(7.0, gt=0, le=365)
    """From the proposal; a removal that nobody has decided on by then is not applied."""


class NoticeSettings(_Section):
    """What notices to sellers say."""

    timezone: Annotated[str, AfterValidator(_known_timezone)] = "Asia/Kolkata"
    """Zone of the dates in notices."""
    appeal_contact: str = Field("", max_length=200)
    """Where sellers appeal, e.g. an e-mail address; empty: to whoever sent the notice."""


class UploadSettings(_Section):
    """Bounds of an upload check.

    What one picture may be is said in `download` (`max_bytes`, `max_pixels`, `formats`), so that
    the weekly run can read what the check takes.
    """

    max_files: int = Field(20, ge=1, le=64)
    """Pictures of one upload."""
    max_shown: int = Field(40, ge=1, le=64)
    """Pictures that the variant shows already, with which an upload is compared."""
    max_request_bytes: int = Field(100 * 1024 * 1024, ge=1_024)
    """Of all that is sent with one request."""
    total_time_s: float = Field(20.0, gt=0, le=600)
    """From the last byte of a request to its answer, the wait for a free process included."""
    processes: int = Field(0, ge=0, le=64)
    """Processes that check uploads; 0: as many as the machine has cores."""
    queue_length: int = Field(16, ge=0, le=10_000)
    """Requests that wait for a free process; one more is sent away, to come again later."""


class UploadServiceSettings(_Section):
    """How the upload check is served; `host`, `port` and keys: as a service of its own."""

    host: str = Field("127.0.0.1", min_length=1)
    port: int = Field(8090, ge=0, le=65_535)
    """0: any that is free; it is printed."""
    keys_file: str = "build/upload_check_keys"
    """A line `name:hash` for each API key; a relative path starts at the folder that holds
    include/."""
    keys: tuple[str, ...] = ()
    """Further lines of the same form."""
    requests_per_minute: int = Field(600, ge=1)
    """Of one API key or user, in any minute."""
    max_open_requests: int = Field(64, ge=1, le=10_000)
    """Received, waiting and judged at once, by one process that serves."""
    receive_time_s: float = Field(60.0, gt=0, le=3_600)
    """From the first byte of a request to its last."""
    worker_memory_mb: int = Field(2_048, ge=256)
    """Address space that a process may take for the pictures of one request."""


class RetentionSettings(_Section):
    """After how many days the maintenance may delete what nothing needs any more."""

    run_days: int = Field(60, ge=7)
    """Since a run was planned, until its folder goes: its tasks cannot be cleared any more."""
    staging_days: int = Field(14, ge=1)
    """Since a picture was staged that never came to the archive."""
    archive_days: int = Field(180, ge=7)
    """Since the maintenance first saw that nothing refers to an archived picture."""
    removal_days: int = Field(365, ge=1)
    """Since a removal was proposed or applied, for which its pictures stay in the archive."""
    history_days: int = Field(1_095, ge=30)
    """Since the findings and changes of a run, or the manifest of a deletion, were written; since a
    run was planned, until the store forgets how it left categories."""
    part_days: int = Field(2, ge=1)
    """Since a killed writer left a file named `….part`."""


class Settings(BaseSettings):
    """All settings of one run. Frozen."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=_PREFIX, env_nested_delimiter="__"
    )

    include: Path
    storage: StorageSettings = StorageSettings()
    source: SourceSettings = SourceSettings()
    plan: PlanSettings = PlanSettings()
    policy: PolicySettings = PolicySettings()
    urls: UrlSettings = UrlSettings()
    download: DownloadSettings = DownloadSettings()
    detection: DetectionSettings = DetectionSettings()
    report: ReportSettings = ReportSettings()
    removal: RemovalSettings = RemovalSettings()
    notices: NoticeSettings = NoticeSettings()
    upload: UploadSettings = UploadSettings()
    upload_service: UploadServiceSettings = UploadServiceSettings()
    retention: RetentionSettings = RetentionSettings()
    alerts: AlertSettings = AlertSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Run choices first, then the environment, then the file."""
        path = find_include() / "config" / "settings.yaml"
        return (init_settings, env_settings, YamlConfigSettingsSource(settings_cls, path))

    @property
    def storage_root(self) -> str:
        """The storage root as a URL or an absolute path."""
        root = self.storage.root
        if "://" in root:
            return root
        return str((self.include.parent / Path(root).expanduser()).resolve())


def find_include() -> Path:
    """The folder `include/`: named by IMAGE_DUPLICATION_INCLUDE, else beside `plugins/`."""
    named = os.environ.get(INCLUDE_VARIABLE)
    include = Path(named) if named else Path(__file__).resolve().parents[2] / "include"
    for part in ("sql", "config"):
        if not (include / part).is_dir():
            raise ConfigurationError(
                f"include folder {str(include)!r} has no folder {part!r}; set {INCLUDE_VARIABLE} "
                "to the folder that holds sql/ and config/"
            )
    return include.resolve()


def load_settings(overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read and validate the settings; `overrides` are nested mappings, as in the file.

    Raises ConfigurationError naming each wrong setting, what was received and what is allowed.
    """
    include = find_include()
    _check_environment()
    try:
        return Settings(include=include, **(overrides or {}))
    except ValidationError as error:
        raise ConfigurationError(_describe(error)) from error
    # A file that is no mapping at all makes pydantic-settings raise a bare ValueError.
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        raise ConfigurationError(
            f"settings of {str(include / 'config' / 'settings.yaml')!r} and the environment "
            f"cannot be read: {error}; expected sections, each with names and values"
        ) from error


def _check_environment() -> None:
    """Refuse a variable whose section does not exist; pydantic-settings would overlook it."""
    sections = [name for name in Settings.model_fields if name != "include"]
    for variable in os.environ:
        section, _, _ = variable.upper().removeprefix(_PREFIX).partition("__")
        if variable.upper().startswith(_PREFIX) and section.lower() not in sections:
            raise ConfigurationError(
                f"environment variable {variable!r} names no setting; expected "
                f"{_PREFIX}<SECTION>__<NAME> with one of the sections {', '.join(sections)}"
            )


def _describe(error: ValidationError) -> str:
    wrong = "; ".join(
        f"{'.'.join(str(part) for part in fault['loc'])} = {fault['input']!r}: {fault['msg']}"
        for fault in error.errors()
    )
    return f"settings (settings.yaml, environment or run parameters) are not valid: {wrong}"
