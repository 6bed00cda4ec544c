"""The kinds of tasks there are. Importing this module registers them; the API and the worker do."""

from app.backups.kinds import BACKUP
from app.dumps.kinds import DUMP
from app.imports.kinds import IMPORT, UNDO
from app.imports.merges import MERGED_MOVIES
from app.people.kinds import MERGE
from app.serving.kinds import IMPORTED_MODEL, REBUILD
from app.tasks.kinds import register

for kind in (IMPORT, UNDO, MERGE, MERGED_MOVIES, REBUILD, IMPORTED_MODEL, DUMP, BACKUP):
    register(kind)
