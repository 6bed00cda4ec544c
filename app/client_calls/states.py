"""What a server answers on tasks, models, people and itself, by the schemas of its description."""

from typing import Any, Literal, TypedDict

State = Literal["queued", "running", "cancelling", "complete", "failed", "cancelled"]
Role = Literal["admin", "editor", "viewer"]


class Started(TypedDict):
    task_id: str
    status: str


class Progress(TypedDict):
    phase: str | None
    done: int
    total: int | None
    unit: str | None
    message: str | None
    rate: float | None
    eta_seconds: float | None


class Task(TypedDict):
    task_id: str
    kind: str
    params: dict[str, Any]
    started_by: int | None
    status: State
    progress: Progress
    attempt: int
    worker: str | None
    written: int | None
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    created_at: str
    started_at: str | None
    finished_at: str | None


class Rebuild(TypedDict):
    task_id: str
    status: str
    sample: list[int]


class Model(TypedDict):
    version: int
    task_id: str
    checksum: str
    active: bool
    promoted: bool
    reason: str
    settings: dict[str, Any]
    evaluation: dict[str, Any]
    ratings: int
    users: int
    movies: int
    created_at: str


class Requests(TypedDict):
    total: int
    by_status: dict[str, int]
    per_minute: list[int]


class Latency(TypedDict):
    p50: float | None
    p99: float | None
    per_minute_p99: list[float | None]


class Storage(TypedDict):
    database_bytes: int
    models_bytes: int
    uploads_bytes: int


class Worker(TypedDict):
    pid: int | None
    beat_age_seconds: float | None
    task_id: str | None
    kind: str | None
    problem: str | None


class Status(TypedDict):
    version: str
    uptime_seconds: float
    requests: Requests
    latency_ms: Latency
    queue: dict[str, int]
    storage: Storage
    ratings: int
    movies: int
    users: int
    model_version: int
    worker: Worker | None


class User(TypedDict):
    id: int
    name: str | None
    rating_count: int
    created_at: str | None
    together: bool


class Deleted(TypedDict):
    ratings: int
    first_raters: int
    before_images: int
    later_writes: int
    idempotency_records: int
    marks: int
    waiting: int
    aliases: int
    plays: int
    hooks: int
    hook_names: int
    lists: int
    accounts: int
    sessions: int
    invitations: int
    keys: int
    tasks: int
    tasks_without_person: int
    uploads: int
    dumps: int
    rejected_values: int
    audit_rows_without_person: int
    names: int


class Remains(TypedDict):
    models: list[int]
    models_until: str | None
    storage: str | None


class Forgotten(TypedDict):
    user_id: int
    deleted: Deleted
    remains: Remains


class Account(TypedDict):
    user_id: int
    role: Role
    has_password: bool
    created_at: str


class Invitation(TypedDict):
    user_id: int
    role: Role
    path: str
    expires_at: str


class Key(TypedDict):
    prefix: str
    name: str
    user_id: int
    role: Role
    address: str | None
    created_at: str
    expires_at: str | None
    used_at: str | None


class NewKey(Key):
    key: str


class AuditEntry(TypedDict):
    number: int
    at: str
    user_id: int | None
    key: str | None
    address: str | None
    action: str
    target: str
    request_id: str | None


class Tokens(TypedDict):
    access_token: str
    token_type: str
    expires_in: int
    refresh_token: str


class UnknownTask(TypedDict):
    task_id: str
    status: Literal["unknown"]
