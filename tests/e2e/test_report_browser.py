"""The report in a real browser, from file://, without a network: every page, both languages, keyboard, phone, paper."""

from __future__ import annotations

import operator
import os
import re
import shutil
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait
from tests import health
from tests.conftest import configured

from memberlake.report import data, texts, write
from memberlake.report.facts import Facts

pytestmark = pytest.mark.e2e

DESK, PHONE = 1280, 390
PICTURES = {  # on a page with all its data
    "index": 3, "members": 4, "activity": 4, "value": 6, "churn": 4,
    "coupons": 3, "money": 2, "models": 2, "alerts": 0, "quality": 0,
}  # fmt: skip


DRAWN = """[...document.querySelectorAll('.plot')].map(plot =>  // marks drawn, none where there are no values
    plot.data.flatMap(t => t.z ? t.z.flat() : t.orientation ? t.x : t.y).filter(v => v !== null).length
    && plot.querySelectorAll('svg .point path, svg path.point, svg .hm image, svg path.js-line').length)"""


@pytest.fixture(scope="module")
def report(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the brand that never was."""
    small = data.small(health.frames(spark), health.AS_OF, "Asia/Shanghai")
    rows = {name: [row.asDict() for row in frame.collect()] for name, frame in small.items()}
    changed = rows["jobs"][0]["started_at"]
    facts = Facts(rows, health.AS_OF, "lake", configured(), {"gold.kpi": (3, changed), "silver.orders": (7, changed)})
    return write.folder(tmp_path_factory.mktemp("report"), facts, "en", "0.1.0").parent


@pytest.fixture(scope="module")
def empty_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a lake in which no job has run."""
    facts = Facts({}, health.AS_OF, "lake", configured())
    return write.folder(tmp_path_factory.mktemp("report"), facts, "zh", "0.1.0").parent


@pytest.fixture(scope="module")
def browser() -> Iterator[WebDriver]:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        said = "the report is tested in Chromium, and there is none: apt-get install chromium chromium-driver"
        pytest.fail(said) if os.environ.get("CI") else pytest.skip(said)
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=Service(driver))
    yield started
    started.quit()


def opened(browser: WebDriver, page: Path, width: int = DESK) -> float:
    """Opens a page as a reader who was never here, waits for its pictures, and returns the seconds that it took."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(page.as_uri())
    browser.execute_script("localStorage.clear()")
    browser.get_log("browser")
    browser.get_log("performance")
    started = time.monotonic()
    browser.get(page.as_uri())
    while script(browser, "document.documentElement.dataset.drawn") != "true":
        assert time.monotonic() - started < 20, "the pictures were never drawn"
        time.sleep(0.02)
    return time.monotonic() - started


def script(browser: WebDriver, expression: str) -> Any:
    return browser.execute_script(f"return {expression}")


def shown(browser: WebDriver, css: str = "body") -> str:
    """The text that a reader sees."""
    return browser.find_element(By.CSS_SELECTOR, css).text


@pytest.mark.parametrize("width", [DESK, PHONE])
@pytest.mark.parametrize("page", texts.PAGES)
def test_a_page_is_drawn_without_an_error(browser: WebDriver, report: Path, page: str, width: int) -> None:
    seconds = opened(browser, report / f"{page}.html", width)
    assert browser.get_log("browser") == []
    requested = [
        entry["message"] for entry in browser.get_log("performance") if "requestWillBeSent" in entry["message"]
    ]
    assert requested
    assert not [message for message in requested if '"url":"http' in message]  # nothing from a network
    assert seconds < 3
    drawn = script(browser, DRAWN)
    assert len(drawn) == PICTURES[page]
    assert all(drawn), drawn
    assert script(browser, "document.documentElement.scrollWidth") <= width  # nothing to scroll sideways
    assert "No data" not in shown(browser)
    for said in ("2026-11-20", "0123456789abcdef0123456789abcdef"):
        assert said in shown(browser, "footer")


def test_a_picture_keeps_its_height_when_the_window_changes(browser: WebDriver, report: Path) -> None:
    heights = "[...document.querySelectorAll('.plot .svg-container')].map(e => e.clientHeight)"
    widths = "[...document.querySelectorAll('.plot')].map(e => e._fullLayout.width)"  # as drawn, a moment later
    opened(browser, report / "value.html")
    before = script(browser, heights), script(browser, widths)
    metrics = {"width": DESK - 40, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    WebDriverWait(browser, 20).until(lambda _: all(map(operator.lt, script(browser, widths), before[1])))
    assert all(map(operator.ge, script(browser, heights), before[0]))


def test_the_language_and_the_light_are_the_readers(browser: WebDriver, report: Path) -> None:
    opened(browser, report / "value.html")
    assert (shown(browser, "h1"), browser.title) == ("Value", "Value · Member health")
    picture = "document.querySelector('#rfm_segments .plot')"
    names = f"{picture}.data[0].name + '|' + [...{picture}.querySelectorAll('.ytick')].map(t => t.textContent)"
    assert script(browser, names) == "Of members|hibernating,at risk,loyal,potential loyalist,champions"  # from below
    color = f"{picture}.data[1].marker.color"
    light = script(browser, color)

    browser.find_element(By.ID, "switch").click()
    assert (shown(browser, "h1"), browser.title) == ("价值", "价值 · 会员健康报告")
    assert script(browser, names) == "会员占比|沉睡客户,有流失风险,忠诚客户,潜在忠诚客户,冠军客户"
    browser.find_element(By.ID, "theme").click()
    assert script(browser, color) != light

    browser.find_element(By.CSS_SELECTOR, "nav a[href='members.html']").click()  # kept on the next page
    assert shown(browser, "h1") == "会员与转化"
    assert script(browser, "document.documentElement.dataset.theme") == "dark"
    browser.find_element(By.ID, "switch").click()
    assert shown(browser, "h1") == "Members & conversion"
    assert browser.get_log("browser") == []


def test_on_a_phone_the_page_that_is_read_is_in_sight_among_the_pages(browser: WebDriver, report: Path) -> None:
    inside = """(({ left, right }) => left >= 0 && right <= innerWidth)
        (document.querySelector("nav [aria-current]").getBoundingClientRect())"""
    opened(browser, report / "money.html", PHONE)
    assert script(browser, inside)
    for _ in ("zh", "en"):
        browser.find_element(By.ID, "switch").click()
        assert script(browser, inside)


def test_every_number_tells_what_it_is_by_keyboard_alone(browser: WebDriver, report: Path) -> None:
    opened(browser, report / "members.html")
    keys = webdriver.ActionChains(browser)
    keys.send_keys(Keys.TAB).perform()
    assert shown(browser, "a.skip:focus") == "Skip to content"
    figures = browser.find_elements(By.CSS_SELECTOR, "[data-figure]")
    assert len(figures) == 6
    for _ in range(60):
        if script(browser, "document.activeElement.dataset.figure") == "activation_rate":
            break
        keys.send_keys(Keys.TAB).perform()
    keys.send_keys(Keys.ENTER).perform()
    row = next(
        r for r in health.made()["kpi"] if (r["metric"], str(r["period_start"])) == ("activation_rate", "2026-10-01")
    )
    card = shown(browser, "[popover]:popover-open")
    for said in (
        "What part of the registered is activated.",
        f"Value\n{row['value']:.1%}",
        f"Numerator\n{row['numerator']:,.0f}",
        f"Denominator\n{row['denominator']:,.0f}",
        "members activated by the end of the period / members registered by the end of the period",
        "Period\n2026-10",
        "This month so far",
    ):
        assert said in card
    keys.send_keys(Keys.ESCAPE).perform()
    assert not browser.find_elements(By.CSS_SELECTOR, "[popover]:popover-open")

    numbers = browser.find_element(By.CSS_SELECTOR, "#funnel .numbers")
    numbers.find_element(By.TAG_NAME, "summary").send_keys(Keys.ENTER)
    # the table is made once it is opened, which the browser tells the page a moment later
    row_of = WebDriverWait(browser, 20).until(
        lambda _: numbers.find_elements(By.CSS_SELECTOR, "tbody :first-child > *")
    )
    cells = [cell.text for cell in row_of]
    registered = next(
        r
        for r in health.made()["kpi"]
        if r["metric"] == "registered_members" and str(r["period_start"]) == "2026-10-01"
    )
    assert cells == ["Registered members", f"{registered['value']:,.0f}"]


def test_the_parts_of_a_number_in_a_table_are_told_by_keyboard_too(browser: WebDriver, report: Path) -> None:
    opened(browser, report / "coupons.html")
    browser.find_element(By.CSS_SELECTOR, "#coupon_campaigns td button").send_keys(Keys.ENTER)
    assert re.fullmatch(r"[\d,]+ / [\d,]+\nNumerator / Denominator", shown(browser, "[popover]:popover-open"))


def test_a_card_longer_than_the_screen_is_scrolled_by_keyboard(browser: WebDriver, report: Path) -> None:
    opened(browser, report / "index.html")
    browser.find_element(By.CSS_SELECTOR, "#all_metrics .info").send_keys(Keys.ENTER)
    webdriver.ActionChains(browser).send_keys(Keys.PAGE_DOWN).perform()
    scrolled = "document.querySelector('[popover]:popover-open').scrollTop"
    WebDriverWait(browser, 20).until(lambda _: script(browser, scrolled) > 0)


def test_what_is_pressed_is_large_enough_for_a_finger(browser: WebDriver, report: Path) -> None:
    for page in texts.PAGES:
        opened(browser, report / f"{page}.html", PHONE)
        small = """[...document.querySelectorAll('button, summary')].filter(e => e.offsetParent).filter(e => {
            const { width, height } = e.getBoundingClientRect();
            return Math.min(width, height) < 24;  // WCAG 2.5.8
        }).map(e => e.outerHTML)"""
        assert script(browser, small) == []


CONTRAST = """(() => {
    const light = (color) => color.match(/[\\d.]+/g).slice(0, 3).map(part => part / 255)
        .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0.05);
    const fill = (e) => light(getComputedStyle(e).fill);
    return [...document.querySelectorAll('.bartext-inside')]
        .map(text => [fill(text), fill(text.parentElement.querySelector('path'))].sort((a, b) => b - a))
        .map(([more, less]) => more / less);
})()"""


@pytest.mark.parametrize("page", ["value", "models"])
def test_the_values_on_bars_can_be_read_in_light_and_dark(browser: WebDriver, report: Path, page: str) -> None:
    opened(browser, report / f"{page}.html")
    for _ in range(2):
        found = script(browser, CONTRAST)
        assert found
        assert min(found) >= 4.5
        browser.find_element(By.ID, "theme").click()


def test_a_picture_of_money_names_the_currency(browser: WebDriver, report: Path) -> None:
    opened(browser, report / "money.html")
    ticks = "[...document.querySelectorAll('#cost .ytick')].map(tick => tick.textContent)"
    assert "¥0" in script(browser, ticks)


def test_the_numbers_of_a_large_brand_are_not_rounded(browser: WebDriver, tmp_path: Path) -> None:
    row = {"period": "month", "period_start": date(2026, 10, 1), "metric": "registered_members", "is_complete": True}
    row |= {
        "dimension": "all",
        "dimension_value": "all",
        "same_days_before": None,
        "denominator": None,
        "as_of": health.AS_OF,
    }
    facts = Facts({"kpi": [row | {"value": 1_234_567.0, "numerator": 1_234_567.0}]}, health.AS_OF, "lake", configured())
    opened(browser, write.folder(tmp_path, facts, "en", "0.1.0").parent / "members.html")
    numbers = browser.find_element(By.CSS_SELECTOR, "#funnel .numbers")
    numbers.find_element(By.TAG_NAME, "summary").send_keys(Keys.ENTER)
    cells = WebDriverWait(browser, 20).until(lambda _: numbers.find_elements(By.CSS_SELECTOR, "td.number"))
    assert cells[0].text == "1,234,567"


def test_the_numbers_of_shares_are_in_per_cent_as_in_the_picture(browser: WebDriver, report: Path) -> None:
    opened(browser, report / "churn.html")
    numbers = browser.find_element(By.CSS_SELECTOR, "#churn_rate .numbers")
    numbers.find_element(By.TAG_NAME, "summary").send_keys(Keys.ENTER)
    cells = WebDriverWait(browser, 20).until(lambda _: numbers.find_elements(By.CSS_SELECTOR, "td.number"))
    assert all(re.match(r"[\d.]+% \(", cell.text) for cell in cells)


def test_a_trend_and_its_unit_are_in_one_line(browser: WebDriver, report: Path) -> None:
    opened(browser, report / "churn.html")
    for _ in range(2):  # languages
        lines = script(
            browser,
            """[...document.querySelectorAll('#headline .value')].map(value => {
            const text = [...value.children].find(said => said.offsetParent) ?? value;
            return text.getClientRects().length;
        })""",
        )
        assert len(lines) == 12
        assert set(lines) == {1}
        browser.find_element(By.ID, "switch").click()


def test_names_from_the_data_are_text_and_nothing_else(browser: WebDriver, report: Path) -> None:
    opened(browser, report / "coupons.html")
    assert "c2 · <script>alert(1)</script>" in shown(browser, "#coupon_campaigns")
    assert "<b>odd & named</b>" in shown(browser, "#coupon_runs")


WIDER = """[...document.querySelectorAll('table')].filter(table =>
    table.offsetWidth > table.closest('section').clientWidth).map(table => table.closest('section').id)"""


@pytest.mark.parametrize("page", ["index", "models", "coupons"])
def test_on_paper_no_table_is_cut(browser: WebDriver, report: Path, page: str) -> None:
    opened(browser, report / f"{page}.html")
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert script(browser, "document.querySelectorAll('table').length") > 0
        assert script(browser, WIDER) == []
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
        browser.execute_script("dispatchEvent(new Event('afterprint'))")


def test_on_paper_every_definition_is_printed(browser: WebDriver, report: Path) -> None:
    opened(browser, report / "members.html")
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert "What part of the registered is activated." in shown(browser, ".glossary")
        assert not browser.find_element(By.TAG_NAME, "nav").is_displayed()
        lead, title = (browser.find_element(By.CSS_SELECTOR, css).rect for css in (".lead", "h1"))
        assert lead["y"] >= title["y"] + title["height"]
        widths = script(browser, "[...document.querySelectorAll('.plot .main-svg')].map(e => e.clientWidth)")
        assert len(set(widths)) == 1  # those of half a screen too
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
        browser.execute_script("dispatchEvent(new Event('afterprint'))")
    assert not browser.find_element(By.CSS_SELECTOR, ".glossary").get_attribute("open")  # as it was


@pytest.mark.parametrize("page", texts.PAGES)
def test_a_page_without_data_says_so_and_how_to_get_it(browser: WebDriver, empty_report: Path, page: str) -> None:
    opened(browser, empty_report / f"{page}.html")
    assert browser.get_log("browser") == []
    assert shown(browser, "h1") == texts.PAGES[page][0].zh
    assert not browser.find_elements(By.CSS_SELECTOR, ".plot, .figures, table")
    said = [block.text for block in browser.find_elements(By.CSS_SELECTOR, ".missing")]
    assert said
    nothing_wrong = texts.MISSING["rejects"][0].zh  # which is no lack of data
    assert all(text.startswith("暂无数据") or text == nothing_wrong for text in said)
    assert "--lake lake --as-of 2026-11-20" in shown(browser)


def test_the_report_is_small(report: Path) -> None:
    assert sum(file.stat().st_size for file in report.iterdir()) < 8e6
