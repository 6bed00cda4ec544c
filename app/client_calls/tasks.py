"""Calls on tasks, models and the state of the service."""

from app.client_answers import JsonObject, json_object
from app.client_calls.calls import Calls, segment
from app.client_calls.states import Model, Started, Status, Task


class TaskCalls(Calls):
    def list_tasks(
        self,
        kind: str | None = None,
        status: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> list[Task]:
        """Newest first."""
        return self._listed(Task, "/tasks", kind=kind, status=status, limit=limit, cursor=cursor)

    def list_imports(
        self, status: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> list[Task]:
        """Newest first."""
        return self._listed(Task, "/imports", status=status, limit=limit, cursor=cursor)

    def cancel_task(self, task_id: str) -> Task:
        return self._changed(Task, "POST", f"/tasks/{segment(task_id)}/cancel")

    def retry_task(self, task_id: str, idempotency_key: str | None = None) -> Started:
        return self._changed(Started, "POST", f"/tasks/{segment(task_id)}/retry", idempotency_key)

    def undo_task(self, task_id: str, idempotency_key: str | None = None) -> Started:
        """Take an import or a merge back, in a task."""
        return self._changed(Started, "POST", f"/tasks/{segment(task_id)}/undo", idempotency_key)

    def undo_import(self, task_id: str, idempotency_key: str | None = None) -> Started:
        """The same, by the address of the import."""
        return self._changed(Started, "POST", f"/imports/{segment(task_id)}/undo", idempotency_key)

    def list_models(self, limit: int = 50, cursor: str | None = None) -> list[Model]:
        """Versions of the model, newest first."""
        return self._listed(Model, "/models", limit=limit, cursor=cursor)

    def get_model(self, version: int) -> Model:
        return self._read(Model, f"/models/{version}")

    def activate_model(self, version: int, idempotency_key: str | None = None) -> Model:
        """Serve this version from now on."""
        return self._changed(Model, "POST", f"/models/{version}/activate", idempotency_key)

    def get_status(self) -> Status:
        """Requests, latency, storage, worker."""
        return self._read(Status, "/status")

    def live(self) -> JsonObject:
        return json_object(self._get("/health/live"))

    def ready(self) -> JsonObject:
        return json_object(self._get("/health/ready"))
