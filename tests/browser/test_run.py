"""The run page: live curves and figures, the reason of its stop, its decision log, checkpoints, output and commands."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from keepbest.client.client import Client
from keepbest.contract.access import TokenRequest
from keepbest.contract.base import new_id
from keepbest.status import Role
from tests.browser.conftest import sign_in
from tests.support.processes import wait_until
from tests.support.story import Story

pytestmark = pytest.mark.browser
Tell = Callable[..., Story]


def test_it_follows_the_training(page: Page, tell: Tell) -> None:
    story = tell(name="followed")
    page.goto(f"/r/{story.id[:8]}")
    expect(page.get_by_text("No points yet")).to_be_visible()

    story.advance(3)

    expect(page.get_by_label("Curves of accuracy")).to_contain_text("0.763")
    expect(page.get_by_label("Curves of loss")).to_be_visible()
    expect(page).to_have_title(re.compile(r"^▶ 0\.7\d+ @300 · followed"))
    before = page.get_by_label("Curves of accuracy").inner_text()
    story.advance(2)
    expect(page).to_have_title(re.compile(r"@500"))
    expect(page.get_by_label("Curves of accuracy")).to_contain_text("@500")
    assert page.get_by_label("Curves of accuracy").inner_text() != before


def test_an_early_stop_has_its_reason_in_words(page: Page, tell: Tell) -> None:
    story = tell(name="stopped early").advance(40)
    story.finish()
    page.goto(f"/r/{story.id}")

    expect(page.get_by_text("patience ran out")).to_be_visible()
    expect(page.get_by_text("no improvement for 6 checks")).to_be_visible()
    expect(page.get_by_text("70 % saved")).to_be_visible()
    expect(page.get_by_text("n = 360").first).to_be_visible()
    assert page.get_by_role("button", name="Stop…").count() == 0


def test_a_chart_can_be_read_as_a_table_and_in_logarithms(page: Page, tell: Tell) -> None:
    story = tell(name="numbers").advance(4)
    page.goto(f"/r/{story.id}?tab=curves")
    card = page.get_by_label("Curves of accuracy")
    expect(card).to_contain_text("@400")

    card.get_by_role("button", name="Table").click()
    expect(card.get_by_role("row").nth(1)).to_contain_text("400")
    assert "0.816" in card.get_by_role("row").nth(1).inner_text()

    page.get_by_label("Log y").check()
    page.get_by_label("x axis").select_option("time")
    page.goto(page.evaluate("location.href"))
    expect(page.get_by_label("Log y")).to_be_checked()
    expect(page.get_by_label("x axis")).to_have_value("time")
    with page.expect_download() as download:
        page.get_by_label("Curves of loss").get_by_role("button", name=re.compile("CSV")).click()
    lines = download.value.path().read_text().splitlines()
    assert lines[0] == "metric,step,value,time,abandoned"
    assert len(lines) == 1 + 40 + 4


def test_stop_explains_itself_and_shows_its_progress(page: Page, tell: Tell, client: Client) -> None:
    story = tell(name="to be stopped").advance(3)
    page.goto(f"/r/{story.id}")
    page.get_by_role("button", name="Stop…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("stops after the current batch")
    expect(dialog).to_contain_text(re.compile(r"at step\s+300, keeps it on disk"))
    assert not client.commands(story.id).commands, "nothing is sent before it is confirmed"

    dialog.get_by_role("button", name="Stop the run").click()
    expect(dialog.get_by_text("requested")).to_be_visible()
    asked = story.wait_for_command()
    assert asked.kind.value == "stop"
    story.answer(asked, "acknowledged")
    expect(dialog.locator("li", has_text="acknowledged").locator("time")).to_be_visible()
    story.answer(asked, "done", "stopped at step 300")
    expect(dialog.locator("li", has_text="done").locator("time")).to_be_visible()
    story.finish("user", "Stopped by admin at step 300.")
    dialog.get_by_role("button", name="Close").click()
    expect(page.get_by_text("stopped by a person")).to_be_visible()
    expect(page.get_by_label("Commands")).to_contain_text("done")


def test_a_failure_is_told_above_the_dialog(page: Page, tell: Tell) -> None:
    story = tell(name="far away").advance(2)
    page.goto(f"/r/{story.id}")
    page.get_by_role("button", name="Stop…").click()
    page.route("**/commands", lambda route: route.abort())
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Stop the run").click()
    expect(dialog.get_by_role("status")).to_contain_text("The tracker does not answer. Start it with keepbest up")
    expect(dialog.get_by_role("status")).not_to_contain_text("TypeError")
    dialog.get_by_role("button", name="Close this message").click()
    expect(dialog.get_by_role("status")).to_have_text("")


def test_metrics_are_searched_and_folded_by_their_prefix(page: Page, tell: Tell) -> None:
    story = tell(name="many metrics").advance(1)
    for number in range(8):
        values = {"steps": [10, 20], "values": [1.0, 2.0], "times": [1.0, 2.0]}
        story.tell(columns=[{"segment": 0, "key": f"layer{number % 2}/norm{number}", **values}])
    page.goto(f"/r/{story.id}")
    expect(page.get_by_label(re.compile("^Curves of "))).to_have_count(10)
    page.get_by_label("Search metrics").fill("layer1 norm3")
    expect(page.get_by_label(re.compile("^Curves of "))).to_have_count(1)
    page.get_by_label("Search metrics").fill("")
    page.locator("summary", has_text="layer0").press("Enter")
    expect(page.get_by_label(re.compile("^Curves of layer0"))).to_have_count(0)
    page.reload()
    expect(page.get_by_label(re.compile("^Curves of layer1"))).to_have_count(4)
    expect(page.get_by_label(re.compile("^Curves of layer0"))).to_have_count(0)


def test_a_mark_on_the_curve_is_reached_by_keyboard(page: Page, tell: Tell) -> None:
    story = tell(name="marked").advance(3)
    page.goto(f"/r/{story.id}")
    mark = page.get_by_role("group", name="Marks on the curve").get_by_role("button").first
    mark.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("Roll back this run?")
    expect(page.get_by_role("dialog").get_by_role("radio", checked=True)).to_have_count(1)


def test_a_viewer_sees_everything_and_changes_nothing(
    tell: Tell, client: Client, open_context: Callable[..., BrowserContext]
) -> None:
    story = tell(name="seen").advance(3).hold((new_id(), 300))
    token = client.make_token(TokenRequest(name="viewer", role=Role.VIEWER)).secret
    assert token is not None
    context = open_context(signed_in=False)
    sign_in(context, token)
    page = context.new_page()
    page.goto(f"/r/{story.id}?tab=checkpoints")

    expect(page.get_by_label("In memory")).to_contain_text("1 snapshot")
    expect(page.get_by_role("button", name="Restore step 300")).to_be_visible()
    page.keyboard.press("b")
    for verb in ("Roll back", "step", "Fork", "Stop", "Checkpoint now", "Pin"):
        expect(page.get_by_role("button", name=re.compile(f"^{verb}"))).to_have_count(0)
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_command_that_nobody_answers_is_seen_to_wait(page: Page, tell: Tell) -> None:
    story = tell(name="deaf").advance(2)
    page.clock.install()
    page.goto(f"/r/{story.id}")
    page.get_by_role("button", name="Checkpoint now").click()
    expect(page.get_by_label("Commands")).to_contain_text("requested")

    page.clock.fast_forward(40_000)

    expect(page.get_by_text("The trainer has not answered")).to_be_visible()


def test_a_refused_command_says_why(page: Page, tell: Tell) -> None:
    story = tell(name="unwilling").advance(2)
    page.goto(f"/r/{story.id}")
    page.get_by_role("button", name="Checkpoint now").click()
    story.answer(story.wait_for_command(), "refused", "The disk is full: free 1.2 MB.")

    expect(page.get_by_label("Commands")).to_contain_text("refused")
    expect(page.get_by_label("Commands")).to_contain_text("The disk is full")


def test_decisions_have_a_row_for_every_validation(page: Page, tell: Tell) -> None:
    story = tell(name="decided").advance(40)
    story.finish()
    page.goto(f"/r/{story.id}?tab=decisions")
    rows = page.locator("tbody tr:not([aria-hidden])")

    expect(rows.first).to_contain_text("stop: no improvement for 6 checks")
    expect(rows.nth(1)).to_contain_text("go on")
    expect(page.get_by_text("30 validations")).to_be_visible()
    assert story.best is not None
    expect(rows.filter(has_text=story.best[1])).to_contain_text("new best")


def test_a_withdrawn_validation_is_not_the_best(page: Page, tell: Tell) -> None:
    story = tell(name="turned nan").advance(3)
    page.goto(f"/r/{story.id}?tab=decisions")
    best = page.locator("dl .best")
    expect(best).to_contain_text("@ 300")
    story.advance(1, keeps=False)
    expect(best).to_contain_text("@ 400")
    rows = page.locator("tbody tr:not([aria-hidden])")
    expect(rows.filter(has_text="▲ new best")).to_have_count(4)

    story.withdraw("a weight of dense/kernel is not finite")

    expect(rows.first).to_contain_text("withdrawn as the best: a weight of dense/kernel is not finite")
    expect(rows.filter(has_text="▲ new best")).to_have_count(3)
    expect(best).to_contain_text("@ 300")


def test_warnings_of_a_run_stay_until_they_are_over(page: Page, tell: Tell) -> None:
    story = tell(name="troubled").advance(1)
    page.goto(f"/r/{story.id}")
    pill = page.locator("header .toolbar", has=page.get_by_role("heading", name="troubled"))
    expect(pill).to_contain_text("running")

    story.warn(stalled=True, warning="The store is away: /mnt/store.", incomplete="words (StringLookup).table <b>")
    expect(pill).to_contain_text("stalled")
    expect(page.get_by_text("made no progress for a while. The worker ends the trainer")).to_be_visible()
    expect(page.get_by_text("The store is away: /mnt/store.")).to_be_visible()
    expect(page.get_by_text("no restore is complete: words (StringLookup).table <b>")).to_be_visible()
    page.goto("/p/digits")
    row = page.locator("tr", has_text="troubled")
    expect(row).to_contain_text("stalled")
    expect(row.get_by_title("The store is away: /mnt/store.")).to_be_visible()

    story.warn(stalled=False, warning="")
    expect(row).to_contain_text("running")
    page.goto(f"/r/{story.id}")
    expect(page.get_by_text("no restore is complete")).to_be_visible()
    expect(page.get_by_text("The store is away")).to_have_count(0)


def test_a_checkpoint_can_be_restored_by_copying(tell: Tell, open_context: Callable[..., BrowserContext]) -> None:
    story = tell(name="restorable").advance(4)
    page = open_context(permissions=["clipboard-read", "clipboard-write"]).new_page()
    page.goto(f"/r/{story.id}?tab=checkpoints")
    assert story.best is not None
    expect(page.locator("tbody tr").first).to_contain_text(story.best[1])

    page.get_by_role("button", name="Copy how to restore this checkpoint").click()
    expect(page.get_by_text("Copied how to restore")).to_be_visible()
    assert f"keepbest restore {story.id} --best" in page.evaluate("navigator.clipboard.readText()")

    page.get_by_role("button", name="Python").click()
    expect(page.locator("pre")).to_contain_text("import keepbest")
    page.get_by_role("button", name="Pin step 400").click()
    expect(page.get_by_text("pinned", exact=True)).to_be_visible()


def test_a_selected_model_stands_beside_the_best_and_restores(page: Page, tell: Tell) -> None:
    story = tell(name="averaged").advance(4)
    made = story.select(0.999)
    page.goto(f"/r/{story.id}?tab=checkpoints")
    expect(page.get_by_label("Selection")).to_contain_text("The run ended with the average of steps")
    expect(page.get_by_label("Selection")).to_contain_text(re.compile(r"val_accuracy 0\.999 .*the best has"))
    expect(page.get_by_label("Restore", exact=True)).to_contain_text(made)
    expect(page.locator("pre")).to_contain_text(f"keepbest restore {story.id} --to restored")
    expect(page.locator("tr.chosen")).not_to_contain_text("Fork")


def test_output_is_followed(page: Page, tell: Tell) -> None:
    story = tell(name="talkative")
    page.goto(f"/r/{story.id}?tab=logs")
    expect(page.get_by_text("Building hvass-cnn")).to_be_visible()

    story.print("".join(f"line {number}\n" for number in range(500)))
    story.print("a warning on stderr\n", "stderr")
    expect(page.get_by_text("a warning on stderr")).to_be_in_viewport()
    assert page.locator("tbody tr").count() < 120

    page.get_by_role("button", name="stderr").click()
    expect(page.locator("tbody tr:not([aria-hidden])")).to_have_count(1)


def test_output_is_searched_wrapped_and_found_by_step(page: Page, tell: Tell) -> None:
    story = tell(name="long lines").advance(3)
    story.print("".join(f"line {number}\n" for number in range(300)))
    story.print("\x1b[31mERROR\x1b[0m " + "far wider than any window, " * 40 + "the end\n", "stderr")
    story.print("keepbest: the tracker answers again\n")
    page.goto(f"/r/{story.id}?tab=logs")
    expect(page.get_by_text("the end")).to_be_in_viewport()
    scroller = page.get_by_role("region", name="Output of the trainer")
    assert scroller.evaluate("box => box.scrollWidth <= box.clientWidth"), "a wrapped line needs no sideways scroll"
    expect(page.locator("tr.keepbest", has_text="the tracker answers again")).to_be_visible()

    search = page.get_by_label("Search the output")
    search.fill("LINE 7")
    expect(page.get_by_text("11", exact=True)).to_be_visible()
    search.press("Enter")
    expect(page.get_by_text("1 of 11")).to_be_visible()
    expect(page.locator("tr.chosen .match")).to_have_text("line 7")
    expect(page.get_by_label("Follow")).not_to_be_checked()
    search.press("Shift+Enter")
    expect(page.locator("tr.chosen")).to_contain_text("line 79")

    page.get_by_label("Go to the output of a step").fill("200")
    page.get_by_label("Go to the output of a step").press("Enter")
    expect(page.get_by_text("step 200: val_accuracy")).to_be_in_viewport()
    page.get_by_label("Level").select_option("error")
    expect(page.locator("tr.error .ansi1").first).to_have_text("ERROR")
    page.get_by_label("Wrap").uncheck()
    expect(page.locator("tr.error")).to_have_count(1)
    scroller.focus()
    page.keyboard.press("ArrowRight")
    wait_until(lambda: scroller.evaluate("box => box.scrollLeft > 0"), what="the line to move")


def test_a_failed_run_shows_its_error_first(page: Page, tell: Tell) -> None:
    story = tell(name="broken").advance(1)
    trace = 'File "my_model.py", line 12, in build\nValueError: units must be positive, got -3'
    story.fail(code="code_failed", message="ValueError in build", hint="Fix it, then submit again.", traceback=trace)
    page.goto(f"/r/{story.id}")

    failure = page.get_by_label("Why this run failed")
    expect(failure).to_contain_text("ValueError in build")
    expect(failure).to_contain_text("got -3")
    expect(failure).to_contain_text("Fix it, then submit again.")
    head = page.get_by_role("heading", name="broken", exact=True).bounding_box()
    box = failure.bounding_box()
    assert head
    assert box
    assert box["y"] < head["y"]


def test_config_shows_what_was_asked(page: Page, tell: Tell) -> None:
    story = tell(name="configured", parameters={"learning_rate": 0.003})
    page.goto(f"/r/{story.id}?tab=config")

    expect(page.get_by_text("0.003")).to_be_visible()
    expect(page.get_by_text("recipe hvass-cnn")).to_be_visible()
    expect(page.get_by_text(re.compile(r"patience\(checks=6"))).to_be_visible()
    page.get_by_label("Notes").fill("remember this")
    page.get_by_label("Notes").blur()
    expect(page.get_by_text("Saved the notes.")).to_be_visible()


def test_a_run_is_deleted_only_after_a_question(page: Page, tell: Tell, client: Client) -> None:
    story = tell(name="unwanted")
    story.fail(code="x", message="x")
    page.goto(f"/r/{story.id}")
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Cancel").click()
    assert client.run(story.id).name == "unwanted"
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Delete the run").click()

    expect(page.get_by_text("Deleted run #")).to_be_visible()
    assert story.id not in {run.id for run in client.runs(project="digits").runs}

    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("heading", name="unwanted", exact=True)).to_be_visible()
    assert client.run(story.id).name == "unwanted"


def test_a_deleted_run_says_so_and_comes_back(page: Page, tell: Tell, client: Client) -> None:
    story = tell(name="gone")
    story.fail(code="x", message="Read `keepbest logs` first.")
    client.delete_run(story.id)
    page.goto(f"/r/{story.id}")
    expect(page.get_by_role("heading", level=1)).to_contain_text("gone of digits was deleted.")
    expect(page.locator("main code")).to_have_text(f"keepbest rm {story.id} --undo")
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    page.get_by_role("button", name="Restore the run").click()
    expect(page.get_by_role("heading", level=1, name="gone")).to_be_visible()
    expect(page.get_by_label("Why this run failed").locator("code").first).to_have_text("keepbest logs")

    page.goto("/r/zzzzzzzzzzzz")
    expect(page.get_by_role("heading", level=1)).to_contain_text("zzzzzzzzzzzz")
    expect(page.get_by_role("link", name="Go to the projects")).to_be_visible()


def test_keys_lead_through_the_page(page: Page, tell: Tell) -> None:
    story = tell(name="by keyboard").advance(2)
    page.goto(f"/r/{story.id}")
    expect(page.get_by_role("heading", name="by keyboard")).to_be_visible()

    page.keyboard.press("2")
    expect(page.get_by_role("region", name="Decision log")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("roll back…")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("b")
    expect(page.get_by_role("dialog")).to_contain_text("Roll back this run?")
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("r")
    expect(page).to_have_url(re.compile(r"/p/digits"))
