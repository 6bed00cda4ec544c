"""What the pages offer a viewer: people who allow a common list, and addresses of their own."""

from pathlib import Path

from app.config import Settings
from app.repository import hooks, list_addresses, users
from app.user import Role
from tests.house import House


def test_a_viewer_is_offered_who_allows_it_and_sees_their_own_addresses(tmp_path: Path) -> None:
    house = House(Settings(data_dir=tmp_path))
    viewer, willing, editor = (
        house.person(name, role)
        for name, role in (("Vera", Role.VIEWER), ("Will", Role.VIEWER), ("Edith", Role.EDITOR))
    )
    with house.service.database.write() as connection:
        users.set_together(connection, willing, is_allowed=True)
        hooks.add(connection, "plex", viewer, "a" * 64, now=1)
        hooks.add(connection, "kodi", willing, "b" * 64, now=1)
        list_addresses.add(connection, willing, "c" * 64, now=1)
    with house.client() as client:
        client.headers["Accept"] = "text/html"
        for person, session, offered in ((viewer, "1", ["Will"]), (editor, "2", ["Vera", "Will"])):
            page = client.get("/", headers=house.token(person, session)).text
            found = [name for name in ("Vera", "Will", "Edith") if f"<bdi>{name}</bdi></label>" in page]
            assert found == offered
        own = client.get(f"/players?user={willing}", headers=house.token(viewer, "3")).text
        assert "Plex 1" in own
        assert "Kodi 2" not in own
        assert "List 1" not in own
        others = client.get(f"/players?user={willing}", headers=house.token(editor, "4")).text
        assert "Kodi 2" in others
        assert "List 1" in others
        assert client.get("/players?user=²&user=x", headers=house.token(viewer, "5")).status_code == 200
