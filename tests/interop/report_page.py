#!/usr/bin/env python3
"""Reads a report as people do, in a headless Chromium: by mouse and keys, in both themes, on a phone and in print.

    report_page.py PAGE.html [PICTURES]

Standard input has the numbers that the page's script has to write as Rust does: {"script": the source, "cases": [[value, unit]…]}.
Fails with what is wrong; prints JSON of what it saw. PICTURES is a folder for screenshots.
"""

import json
import sys
from pathlib import Path

from browser import Browser

SHAPES = "[...document.querySelectorAll(arguments[0] + ' svg path')].filter(p => p.getBBox().width + p.getBBox().height > 0).length"
# Each with its place.
TEXTS = """
    [...document.querySelectorAll(arguments[0] + ' svg text')].map(t => t.textContent + ['transform', 'x', 'y'].map(a => t.getAttribute(a))).sort()
"""
TIP = """
    const tip = document.querySelector(arguments[0] + ' .tip');
    if (!tip || getComputedStyle(tip).visibility === 'hidden' || getComputedStyle(tip).opacity === '0') return null;
    return [...tip.querySelectorAll('tr')].map(row => ({
        name: row.cells[0].textContent, value: row.cells[1].title, short: row.cells[1].textContent, origin: row.cells[3].textContent,
    }));
"""
TABLE = "return [...document.querySelectorAll(arguments[0] + ' .wide data')].map(d => d.textContent)"


def expect(condition, what):
    if not condition:
        sys.exit(what)


class Reader:
    def __init__(self, browser, pictures):
        self.browser, self.pictures = browser, pictures

    def value(self, expression, *args):
        return self.browser.run(f"return {expression.strip()}", *args)

    def shapes(self, section):
        return self.value(SHAPES, section)

    def texts(self, section):
        return self.value(TEXTS, section)

    def tip(self, section):
        return self.browser.run(TIP, section)

    def picture(self, name, selector=None):
        if self.pictures:
            self.browser.picture(self.pictures / f"{name}.png", selector)

    def quiet(self, when):
        complaints = self.browser.complaints()
        expect(not complaints, f"{when}: the console says {complaints}")

    def rows_are_true(self, section, rows):
        """Every number of a tooltip stands in the table under the plot."""
        table = set(self.browser.run(TABLE, section))
        for row in rows:
            expect(row["name"] == "all" or row["value"] in table, f"{section}: the tooltip's {row} is not in the table")

    def hover(self, section):
        """Moves the mouse over the plot until a tooltip shows."""
        box = self.browser.run(
            "const p = document.querySelector(arguments[0] + ' .plot'); p.scrollIntoView({block: 'center'});"
            "const r = p.getBoundingClientRect(); return [r.left, r.top, r.width, r.height]",
            section,
        )
        left, top, width, height = box
        places = [(0.5, 0.5), (0.4, 0.3), (0.7, 0.6), (0.55, 0.2)]

        def shown():
            x, y = places[0]
            places.append(places.pop(0))
            self.browser.hover(left + width * x, top + height * y)
            return self.tip(section)

        return self.browser.wait_until(shown, f"{section}: no tooltip under the mouse")

    def section(self, number):
        """All that can be done with one plot; it is left as it was."""
        section = f"#finding-{number}"
        expect(self.shapes(section) > 4, f"{section}: nothing is drawn")
        rows = self.hover(section)
        self.rows_are_true(section, rows)
        expect(all(row["short"] for row in rows), f"{section}: a tooltip without a value: {rows}")
        self.browser.hover(1, 1)
        self.keys(section)
        self.switches(section)
        self.series(section)
        self.quiet(section)

    def keys(self, section):
        plot = f"{section} .plot"
        self.browser.press(plot, "\ue014")
        rows = self.tip(section)
        expect(rows, f"{section}: no tooltip by key")
        self.rows_are_true(section, rows)
        spoken = self.value("document.querySelector(arguments[0] + ' .spoken').textContent", section)
        expect(rows[0]["short"] in spoken, f"{section}: a screen reader hears {spoken!r}")
        self.browser.press(plot, "\ue00c")

    def switches(self, section):
        before = self.texts(section)
        tools = self.value("[...document.querySelectorAll(arguments[0] + ' .tools button')].map(b => b.dataset.tool)", section)
        for tool in (tool for tool in tools if tool.startswith("log-")):
            button = f"{section} [data-tool={tool}]"
            pressed = f"document.querySelector({json.dumps(button)}).getAttribute('aria-pressed')"
            was = self.value(pressed)
            self.browser.click(button)
            expect(self.value(pressed) != was, f"{button}: it does not switch")
            expect(tool == "log-colour" or self.texts(section) != before, f"{button}: the axis stays as it was")
            self.browser.click(button)
            expect(self.texts(section) == before, f"{button}: the axis is not what it was")
        if "in" in tools:
            for _ in range(3):
                self.browser.click(f"{section} [data-tool=in]")
            expect(self.texts(section) != before, f"{section}: zoom shows the same")
            self.browser.click(f"{section} [data-tool=whole]")
            whole = self.texts(section)
            expect(whole == before, f"{section}: the whole plot was {before} and is {whole}")

    def series(self, section):
        """A series that is switched off is not drawn."""
        key = f"{section} .key"
        colour = self.value("document.querySelector(arguments[0] + ' svg').lastChild.getAttribute('stroke') || document.querySelector(arguments[0] + ' svg').lastChild.getAttribute('fill')", key)
        drawn = (
            "[...document.querySelectorAll(arguments[0] + ' .plot svg path')]"
            ".filter(p => [p.getAttribute('stroke'), p.getAttribute('fill')].includes(arguments[1])).length"
        )
        before = self.value(drawn, section, colour)
        expect(before > 0, f"{section}: nothing is drawn in {colour}")
        self.browser.click(key)
        pressed = self.value(f"document.querySelector({json.dumps(key)}).getAttribute('aria-pressed')")
        expect(pressed == "false", f"{key}: it does not switch")
        expect(self.value(drawn, section, colour) == 0, f"{section}: the series is still drawn")
        self.browser.click(key)
        again = self.value(drawn, section, colour)
        expect(again == before, f"{section}: of {before} shapes in {colour}, {again} are drawn again")

    def themes(self):
        paper = "getComputedStyle(document.body).backgroundColor"
        axis = "[...document.querySelectorAll('#finding-1 svg text')].map(t => t.getAttribute('fill')).join()"
        self.browser.media(prefers_color_scheme="light")
        light = [self.value(paper), self.value(axis)]
        self.picture("light")
        self.browser.media(prefers_color_scheme="dark")
        self.browser.wait_until(lambda: self.value(axis) != light[1], "the plots do not follow the system's theme")
        dark = [self.value(paper), self.value(axis)]
        expect(dark[0] != light[0], "the page does not follow the system's theme")
        self.picture("dark")
        self.browser.click("#theme")
        expect([self.value(paper), self.value(axis)] == light, "the switch does not make the page light")
        self.browser.click("#theme")
        expect([self.value(paper), self.value(axis)] == dark, "the switch does not make the page dark")
        self.browser.run("delete document.documentElement.dataset.theme")
        self.browser.media(prefers_color_scheme="light")
        self.quiet("themes")

    def phone(self):
        self.browser.width(390, True)
        self.browser.wait_until(lambda: self.value("document.querySelector('#finding-1 svg').clientWidth") < 390, "the plots stay wide")
        wide = self.value("document.scrollingElement.scrollWidth")
        expect(wide <= 390, f"a phone scrolls sideways: {wide} pixels")
        self.picture("phone")
        for i in range(1, self.count() + 1):
            self.picture(f"phone-{i}", f"#finding-{i}")
        self.browser.devtools("Emulation.clearDeviceMetricsOverride")
        self.quiet("phone")

    def print(self):
        self.browser.media(prefers_color_scheme="dark")
        self.browser.run(
            "addEventListener('beforeprint', () => { window.printed = {"
            " theme: getComputedStyle(document.body).backgroundColor,"
            " widths: [...document.querySelectorAll('.plot > div > svg')].map(s => s.clientWidth),"
            " closed: document.querySelectorAll('details:not([open])').length } })"
        )
        pdf = self.browser.pdf()
        printed = self.value("window.printed")
        expect(pdf.startswith(b"%PDF") and len(pdf) > 20_000, "nothing is printed")
        expect(printed["theme"] == "rgb(255, 255, 255)", f"a dark page is printed: {printed}")
        expect(printed["widths"] and set(printed["widths"]) == {660}, f"the plots do not fit the paper: {printed}")
        expect(printed["closed"] == 0, "a table is not printed")
        expect(self.value("document.querySelectorAll('details[open]').length") == 0, "the tables stay open after print")
        self.browser.media(media="print")
        tools = self.value("getComputedStyle(document.querySelector('.tools')).display")
        expect(tools == "none", "the switches are printed")
        self.browser.media()
        if self.pictures:
            (self.pictures / "print.pdf").write_bytes(pdf)
        self.quiet("print")

    def count(self):
        return self.value("document.querySelectorAll('section').length")


def main():
    page = Path(sys.argv[1]).resolve()
    pictures = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    numbers = json.load(sys.stdin)
    with Browser() as browser:
        reader = Reader(browser, pictures)
        browser.open(page.as_uri())
        expect(not reader.value("performance.getEntriesByType('resource').map(r => r.name)"), "the page loads something")
        reader.quiet("opening")
        count = reader.count()
        for number in range(1, count + 1):
            reader.picture(f"finding-{number}", f"#finding-{number}")
            reader.section(number)
        reader.themes()
        reader.phone()
        reader.print()
        write = numbers["script"] + "return arguments[0].map(([value, unit]) => [short(value, unit), full(value)])"
        texts = browser.run(write, numbers["cases"])
        shown = reader.value("document.body.innerText")
        hurt = reader.value("window.hurt === undefined ? null : String(window.hurt)")
    print(json.dumps({"plots": count, "texts": texts, "shown": shown, "hurt": hurt}))


if __name__ == "__main__":
    main()
