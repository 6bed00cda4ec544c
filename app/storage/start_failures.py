"""Why a process cannot start, in one line with what to do."""

import sqlalchemy as sa

from app.config import Settings
from app.errors import AppError, StorageFull, Unavailable
from app.storage import engine_of
from app.storage.failures import explain, failure


def advise(error: BaseException, settings: Settings) -> str | None:
    """The line for an operator; None for a fault of the program, which no setting can mend."""
    if isinstance(error, Unavailable) and (cause := error.__cause__) and settings.database_url:
        return _of_database(cause, settings)
    if isinstance(error, AppError):
        return error.detail
    if isinstance(problem := failure(error), StorageFull):
        return f"{problem.detail} ({explain(error)})"
    return _of_environment(error, settings)


def _of_environment(error: BaseException, settings: Settings) -> str | None:
    if isinstance(error, ModuleNotFoundError) and error.name == "psycopg":
        return "MATINEE_DATABASE_URL needs the PostgreSQL driver: install matinee[postgres], or unset it."
    if isinstance(error, sa.exc.DBAPIError):
        return _of_database(error.orig or error, settings)
    if isinstance(error, OSError):
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        return f"{what}. Make {settings.data_dir} writable for this user, or set MATINEE_DATA_DIR."
    return None


def _of_database(error: BaseException, settings: Settings) -> str:
    reason = str(error).strip().partition("\n")[0].rstrip(".")
    return engine_of(settings).advice(reason, sa.make_url(settings.url))
