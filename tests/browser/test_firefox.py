"""The main road in Debian's Firefox: sign in, open a run, see it live, roll it back."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.browser.conftest import Tracker
from tests.support.firefox import Firefox, open_firefox
from tests.support.need import need_firefox
from tests.support.story import Story

pytestmark = pytest.mark.browser
#: Whether the chart of the monitored metric has drawn something: a pixel that is not transparent.
HAS_CURVE = """(() => {
  const canvas = document.querySelector('main canvas')
  if (!canvas || !canvas.width) return false
  return canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((byte) => byte > 0)
})()"""


@pytest.fixture
def firefox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    with open_firefox(need_firefox(), tmp_path_factory.mktemp("firefox")) as browser:
        yield browser
        assert browser.complaints == []


def test_firefox_goes_the_main_road(firefox: Firefox, tracker: Tracker, tell: Callable[..., Story]) -> None:
    story = tell(project="foxes", name="seen by a fox").advance(5).advance(2, value=lambda step: 0.4)
    firefox.go(tracker.url)
    firefox.click(firefox.find_by_style("#token"))
    firefox.type(tracker.token)
    firefox.press_enter()

    firefox.click(firefox.find("link", "seen by a fox"))
    firefox.wait_until("document.title.includes('@500')")
    firefox.wait_until(HAS_CURVE)
    story.advance(1, value=lambda step: 0.99)
    firefox.wait_until("document.title.includes('@800')")

    firefox.click(firefox.find("button", "Roll back…"))
    firefox.click(firefox.find("button", "Roll back"))
    command = story.wait_for_command()
    story.answer(command, "acknowledged")
    story.roll_back()
    story.answer(command, "done", "rolled back to step 800")
    firefox.wait_until("document.querySelector('[role=dialog], dialog')?.textContent.includes('done')")
    firefox.click(firefox.find("button", "Close"))
    firefox.wait_until("document.querySelector('[aria-label=Commands]')?.textContent.includes('done')")
