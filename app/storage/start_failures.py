"""Why a process cannot start, in one line with what to do."""

import sqlalchemy as sa

from app.config import Settings
from app.errors import AppError, StorageFull, Unavailable
from app.storage.failures import explain, failure


def advise(error: BaseException, settings: Settings) -> str | None:
    """The line for the person who starts it; None for what no setting can mend: a fault in the program."""
    if isinstance(error, Unavailable) and (cause := error.__cause__) and settings.database_url:
        return _database(_reason(cause), sa.make_url(settings.url))
    if isinstance(error, AppError):
        return error.detail
    if isinstance(problem := failure(error), StorageFull):
        return f"{problem.detail} ({explain(error)})"
    return _of_environment(error, settings)


def _of_environment(error: BaseException, settings: Settings) -> str | None:
    if isinstance(error, ModuleNotFoundError) and error.name == "psycopg":
        return "MATINEE_DATABASE_URL needs the PostgreSQL driver: install matinee[postgres], or unset it."
    if isinstance(error, sa.exc.ArgumentError):
        return "MATINEE_DATABASE_URL is not a URL; set it to sqlite:///FILE or postgresql://USER@HOST/NAME."
    if isinstance(error, sa.exc.DBAPIError):
        return _database(_reason(error.orig or error), sa.make_url(settings.url))
    if isinstance(error, OSError):
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        return f"{what}. Make {settings.data_dir} writable for this user, or set MATINEE_DATA_DIR."
    return None


def _reason(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")


def _database(reason: str, url: sa.URL) -> str:
    if url.get_backend_name() == "sqlite":
        advice = "Make its folder writable for this user, or set MATINEE_DATA_DIR to another one."
        if "not a database" in reason:
            advice = "Put it back from a backup or move it away, or set MATINEE_DATA_DIR to another folder."
        return f"The database {url.database} cannot be opened: {reason}. {advice}"
    where = url.render_as_string(hide_password=True).replace("+psycopg", "")
    return f"The database {where} cannot be reached: {reason}. Start it, or correct MATINEE_DATABASE_URL."
