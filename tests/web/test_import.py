"""Import in a browser: a file of the size of MovieLens latest-small, bad rows, wrong files, undo."""

import io
import random
import zipfile
from typing import Any

import pytest

from tests.server import Server
from tests.web.conftest import LOST, Visit

MOVIES, USERS, RATINGS, BAD = 9_742, 610, 100_836, 12


@pytest.fixture(scope="module")
def latest_small() -> bytes:
    """A zip with the columns, files and sizes of MovieLens latest-small; 12 ratings are not on the scale."""
    chosen = random.Random(7)
    movies = "".join(f'{n},"Film, The {n} ({1950 + n % 70})",Drama|Comedy\n' for n in range(1, MOVIES + 1))
    places = chosen.sample(range(USERS * MOVIES), RATINGS)
    scores = [9.5] * BAD + [chosen.randint(1, 10) / 2 for _ in range(RATINGS - BAD)]
    rows = (
        f"{1 + place // MOVIES},{1 + place % MOVIES},{score},{10**9}\n"
        for place, score in zip(places, scores, strict=True)
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ml/movies.csv", "movieId,title,genres\n" + movies)
        archive.writestr("ml/ratings.csv", "userId,movieId,rating,timestamp\n" + "".join(rows))
    return packed.getvalue()


def choose(page: Any, name: str, content: bytes) -> None:
    page.locator("#file").set_input_files({"name": name, "mimeType": "", "buffer": content})


def counts(page: Any) -> dict[str, int]:
    return {
        row.locator("dt").inner_text(): int(row.locator("dd").inner_text().replace(",", ""))
        for row in page.locator("#counts > div").all()
    }


def test_a_large_file_goes_in_with_progress_to_the_report(
    visit: Visit, expect: Any, server: Server, latest_small: bytes
) -> None:
    page = visit("/import")
    page.evaluate(
        """() => {
          window.said = new Set();
          const text = document.querySelector(".progress-text");
          new MutationObserver(() => said.add(text.textContent)).observe(text, { childList: true });
        }"""
    )
    choose(page, "ml-latest-small.zip", latest_small)
    expect(page.locator("#report")).to_be_visible(timeout=30_000)
    found = counts(page)
    assert found["rows read"] == MOVIES + RATINGS
    assert found["rejected"] == BAD
    assert sum(count for name, count in found.items() if name != "rows read") == MOVIES + RATINGS
    said = page.evaluate("[...said]")
    assert any("rows" in text and " of " in text for text in said), said
    expect(page.locator("#rejects tbody tr")).to_have_count(BAD)
    expect(page.locator("#rejects tbody tr").first).to_contain_text("9.5")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download all rejected rows").click()
    assert len(download.value.path().read_text().splitlines()) == BAD + 1
    before = server.client.get("/status").json()["ratings"]
    page.get_by_role("button", name="Undo this import").click()
    expect(page.locator("#report")).to_be_visible(timeout=30_000)
    expect(page.locator("#report-note")).to_contain_text("undone", timeout=60_000)
    assert server.client.get("/status").json()["ratings"] < before - 90_000


def test_the_report_is_there_again_after_a_reload(visit: Visit, expect: Any, server: Server) -> None:
    page = visit("/import")
    page.get_by_role("button", name="Import the sample").click()
    expect(page.locator("#report")).to_be_visible()
    first = counts(page)
    page.reload()
    expect(page.locator("#report")).to_be_visible()
    assert counts(page) == first
    expect(page.get_by_role("button", name="Import another file")).to_be_visible()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("holiday.jpg", b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40, "header"),
        ("empty.csv", b"", "is empty"),
    ],
)
def test_a_file_of_the_wrong_kind_is_refused_with_a_reason(
    visit: Visit, expect: Any, watch: Any, name: str, content: bytes, said: str
) -> None:
    watch.allowed.append("status of 4")
    page = visit("/import")
    choose(page, name, content)
    expect(page.locator("#problem")).to_contain_text(said)
    expect(page.locator("#choose")).to_be_visible()
    expect(page.locator("#running")).to_be_hidden()


def test_a_file_is_dropped(visit: Visit, expect: Any) -> None:
    page = visit("/import")
    page.locator("#dry-run").check()
    dropped = page.evaluate_handle(
        """() => {
          const transfer = new DataTransfer();
          transfer.items.add(new File(["user_id,movie_id,score\\n1,1,4\\n1,2,nine\\n"], "dropped.csv"));
          return transfer;
        }"""
    )
    page.dispatch_event("#drop", "drop", {"dataTransfer": dropped})
    expect(page.locator("#report-note")).to_have_text("Only checked: nothing was written.")
    assert counts(page)["rejected"] == 1
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)


def test_sending_can_be_stopped(visit: Visit, expect: Any) -> None:
    page = visit("/import")

    def hold(route: Any) -> None:
        """Never answered."""

    page.route("**/imports", hold)
    choose(page, "ratings.csv", b"user_id,movie_id,score\n1,1,4\n")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#problem")).to_contain_text("Stopped. If the file had arrived whole")


def test_only_bad_rows_is_a_failure_that_says_what_to_do(visit: Visit, expect: Any, watch: Any) -> None:
    page = visit("/import")
    choose(page, "ratings.csv", b"user_id,movie_id,score\n1,123456789,4\n")
    expect(page.locator("#running")).to_contain_text("movies")
    expect(page.locator("#running")).to_contain_text("Nothing was written.")
    expect(page.locator("#running")).not_to_contain_text("goes on by itself")
    expect(page.get_by_role("button", name="Import another file")).to_be_visible()
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)


def test_a_file_is_not_forgotten_when_the_server_is_away(visit: Visit, expect: Any, watch: Any) -> None:
    watch.allowed.append(LOST)
    page = visit("/import")
    keys: list[str | None] = []

    def lose(route: Any) -> None:
        keys.append(route.request.headers.get("idempotency-key"))
        if len(keys) == 1:
            route.abort()
        else:
            route.continue_()

    page.route("**/imports", lose)
    choose(page, "kept.csv", b"user_id,movie_id,score\n1,1,4\n1,2,nine\n")
    expect(page.locator("#problem")).to_contain_text("The connection broke")
    page.get_by_role("button", name="Send kept.csv again").click()
    expect(page.locator("#report")).to_be_visible(timeout=30_000)
    expect(page.locator("#problem")).to_be_hidden()
    assert counts(page)["rejected"] == 1
    assert keys[0] == keys[1], "a repetition is known as one"


def test_what_a_file_does_not_say_is_asked(visit: Visit, expect: Any, server: Server, watch: Any) -> None:
    watch.allowed.append("status of 422")
    page = visit("/import?user=803")
    rows = ("Toy Story (1995);97;3/4/2021;gut", "Heat (1995);40;5/6/2021;", "Matrix;150;5/6/2021;")
    content = "\n".join(("Streifen;Eindruck;gesehen;Notiz", *rows))
    choose(page, "films.csv", content.encode())
    expect(page.locator("#question-title")).to_be_focused()
    question = page.locator("#question")
    expect(question).to_contain_text("films.csv begins with 'Streifen;")
    expect(question).not_to_contain_text("POST")
    expect(question.locator("tbody tr").first).to_contain_text("Toy Story (1995)")
    for name, role in (("Streifen", "Title"), ("Eindruck", "Score"), ("gesehen", "Date of the score")):
        question.get_by_label(f"What “{name}” is").select_option(label=role)
    question.get_by_role("button", name="Import it so").click()
    expect(page.locator("#question-title")).to_have_text("On which scale are the scores?")
    expect(question).to_contain_text("from 40 to 150")
    question.get_by_label("0 to 100").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(page.locator("#question-title")).to_have_text("What comes first in a date?")
    question.get_by_label("The day").check()
    question.get_by_role("button", name="Import it so").click()
    expect(page.locator("#report")).to_be_visible(timeout=30_000)
    expect(page.locator("#assumed")).to_contain_text("title from “Streifen”, score from “Eindruck”")
    expect(page.locator("#assumed")).to_contain_text("scale 0-100; dates with the day first")
    expect(page.locator("#assumed")).to_contain_text("columns left out: Notiz")
    expect(page.locator("#rejects tbody tr")).to_contain_text("150")
    given = server.client.get("/ratings?user_id=803").json()
    assert {(row["score"], row["rated_at"][:10]) for row in given} == {
        (5.0, "2021-04-03"),
        (2.0, "2021-06-05"),
    }


def test_an_encoding_is_chosen_by_how_it_reads(visit: Visit, expect: Any, server: Server, watch: Any) -> None:
    page = visit("/import?user=804")
    content = "title,year,rating\nАмели,2001,4\nТуйя и Ёлки-палки,1995,3\nHeat,1995,5\n"
    choose(page, "films.csv", content.encode("cp1251"))
    page.locator("#question").get_by_label("Амели").check()
    page.get_by_role("button", name="Import it so").click()
    expect(page.locator("#report")).to_be_visible(timeout=30_000)
    expect(page.locator("#assumed")).to_contain_text("written in cp1251")


def test_whose_ratings_they_are(visit: Visit, expect: Any, server: Server, watch: Any) -> None:
    watch.allowed.append("status of 422")
    page = visit("/import?user=801")
    expect(page.get_by_label("Whose ratings")).to_have_value("801")
    page.get_by_label("Whose ratings").fill("")
    content = "Date,Name,Year,Letterboxd URI,Rating\n2020-01-01,Toy Story,1995,https://boxd.it/1,4.5\n"
    choose(page, "ratings.csv", content.encode())
    expect(page.locator("#problem")).to_contain_text("does not say whose")
    expect(page.locator("#problem")).not_to_contain_text("POST")
    expect(page.get_by_label("Whose ratings")).to_be_focused()
    page.keyboard.type("802")
    page.get_by_role("button", name="Send ratings.csv again").click()
    expect(page.locator("#report")).to_be_visible(timeout=30_000)
    assert [row["score"] for row in server.client.get("/ratings?user_id=802").json()] == [4.5]
