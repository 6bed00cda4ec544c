"""Who writes ratings takes other locks than before: processes of both kinds may not be at work at once."""

revision = "0028"
down_revision = "0027"
rolls = False


def upgrade() -> None:
    pass
