"""The tab of artifacts: a tree of any names; texts, tables and pictures in place; and nothing of a run that runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from keepbest.client.client import Client
from keepbest.contract.artifacts import ArtifactKind
from keepbest.panels.png import to_png
from tests.browser.test_accessible import assert_fits_a_telephone, faults
from tests.support.story import Story

pytestmark = pytest.mark.browser
EVIL = "<img src=x onerror=\"window.caught='yes'\">"
SVG = "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><script>window.caught='yes'</script></svg>"
TABLE = '{"columns": ["class", "errors"], "data": [[3, 12], [8, 31], [1, "NaN"], [10, 2]]}'


@pytest.fixture(scope="session")
def story(request: pytest.FixtureRequest) -> Story:
    client, worker = request.getfixturevalue("client"), request.getfixturevalue("worker")
    story = Story(client, worker, name="with files").begin().advance(1)
    picture = to_png(np.arange(64, dtype=np.uint8).reshape(8, 8))
    for path, data in {
        "plots/roc.png": picture, "plots/deep/10.txt": b"ten", "plots/deep/9.txt": b"nine", "notes.txt": b"<b>bold</b>",
        "errors.json": TABLE.encode(), "model.bin": b"\0" * 5000, "page.html": f"{EVIL}<h1>mine</h1>".encode(),
        "x.svg": SVG.encode(), f"evil/{EVIL[:60]}": EVIL.encode(), "long.txt": b"line\n" * 100_000, "empty.txt": b"",
    }.items():  # fmt: skip
        put(client, story.id, path, data)
    story.finish()
    return story


def put(client: Client, run: str, path: str, data: bytes) -> None:
    kind: ArtifactKind | None = "table" if path == "errors.json" else None
    client.files.put(run, path, BytesIO(data), size=len(data), digest=hashlib.sha256(data).hexdigest(), kind=kind)


def open_tab(page: Page, story: Story, file: str = "") -> None:
    page.goto(f"/r/{story.id}?tab=artifacts" + (f"&file={file}" if file else ""))
    expect(page.get_by_text("11 files")).to_be_visible()


def choose(page: Page, name: str) -> None:
    page.get_by_role("region", name="Files of the run").get_by_role("button", name=name, exact=True).click()


def is_clean(page: Page) -> bool:
    return bool(page.evaluate("!window.caught && !document.querySelector('img[src=x], main script, main svg script')"))


def test_the_tree_opens_and_closes_by_keyboard(page: Page, story: Story) -> None:
    open_tab(page, story)
    tree = page.get_by_role("region", name="Files of the run")
    folder = tree.get_by_role("button", name="plots")
    expect(folder).to_have_attribute("aria-expanded", "true")
    names = tree.get_by_role("button").all_inner_texts()
    assert names.index("9.txt") < names.index("10.txt") < names.index("roc.png") < names.index("empty.txt")
    folder.press("Enter")
    expect(folder).to_have_attribute("aria-expanded", "false")
    expect(tree.get_by_role("button", name="roc.png")).to_have_count(0)
    folder.press("Enter")
    tree.get_by_role("button", name="9.txt").press("Enter")
    expect(page.get_by_role("region", name="Text plots/deep/9.txt")).to_have_text("nine")
    page.reload()  # the address keeps the file
    expect(page.get_by_role("region", name="Text plots/deep/9.txt")).to_have_text("nine")


def test_texts_and_pictures_are_shown_in_place(page: Page, story: Story) -> None:
    open_tab(page, story)
    choose(page, "notes.txt")
    expect(page.get_by_role("region", name="Text notes.txt")).to_have_text("<b>bold</b>")
    choose(page, "long.txt")
    expect(page.get_by_text("This is the first")).to_be_visible()
    choose(page, "empty.txt")
    expect(page.get_by_text("The file is empty.")).to_be_visible()
    choose(page, "roc.png")
    picture = page.get_by_role("img", name="plots/roc.png")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") == 256


def test_a_table_is_sorted_by_its_heads(page: Page, story: Story) -> None:
    open_tab(page, story, "errors.json")
    table = page.get_by_role("region", name="Table errors.json")
    rows = table.locator("tbody tr:not([aria-hidden])")
    head = table.get_by_role("button", name="errors")

    def numbers() -> list[str]:
        return [row.locator("td").first.inner_text() for row in rows.all()]

    expect(rows).to_have_count(4)
    assert numbers() == ["3", "8", "1", "10"]
    head.click()
    expect(table.locator("th[aria-sort=ascending]")).to_have_count(1)
    assert numbers() == ["10", "3", "8", "1"]
    head.press("Enter")
    expect(table.locator("th[aria-sort=descending]")).to_have_count(1)
    assert numbers() == ["8", "3", "10", "1"]


@pytest.mark.parametrize("file", ["page.html", "x.svg", "evil"])
def test_nothing_of_a_run_runs(page: Page, story: Story, file: str) -> None:
    open_tab(page, story)
    tree = page.get_by_role("region", name="Files of the run")
    name = tree.get_by_role("button", name="<img src=x") if file == "evil" else tree.get_by_role("button", name=file)
    name.click()
    expect(page.get_by_role("link", name="Download")).to_be_visible()
    expect(page.get_by_text("Reading the file…")).to_have_count(0)
    assert is_clean(page)
    address = page.get_by_role("link", name="Download").get_attribute("href")
    with page.expect_download() as downloading:
        page.evaluate("address => window.location.assign(address)", address)
    assert downloading.value.suggested_filename
    assert is_clean(page)


def test_other_files_are_downloaded_whole(page: Page, story: Story, tmp_path: Path) -> None:
    open_tab(page, story, "model.bin")
    expect(page.get_by_text("does not show files of this kind")).to_be_visible()
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download").click()
    downloading.value.save_as(tmp_path / "model.bin")
    assert (tmp_path / "model.bin").read_bytes() == b"\0" * 5000
    assert downloading.value.suggested_filename == "model.bin"


def test_a_new_file_appears_by_itself(page: Page, tell: Callable[..., Story], client: Client) -> None:
    story = tell(name="files to come").advance(1)
    page.goto(f"/r/{story.id}?tab=artifacts")
    expect(page.get_by_role("heading", name="This run keeps no files")).to_be_visible()
    put(client, story.id, "late.txt", b"here")
    choose(page, "late.txt")
    expect(page.get_by_role("region", name="Text late.txt")).to_have_text("here")
    put(client, story.id, "late.txt", b"newer")
    expect(page.get_by_role("region", name="Text late.txt")).to_have_text("newer")

    read: list[str] = []
    page.on("request", lambda request: read.append(request.url) if "late.txt" in request.url else None)
    put(client, story.id, "other.txt", b"another")
    expect(page.get_by_text("2 files")).to_be_visible()
    assert read == []  # the text is there already


@pytest.mark.parametrize("file", ["notes.txt", "errors.json", "plots/roc.png", ""])
def test_axe_finds_nothing_in_the_tab(open_context: Callable[..., BrowserContext], story: Story, file: str) -> None:
    page = open_context(reduced_motion="reduce").new_page()
    open_tab(page, story, file)
    expect(page.get_by_text("Reading the file…")).to_have_count(0)
    assert faults(page) == []
    assert_fits_a_telephone(page)
