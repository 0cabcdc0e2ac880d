#!/usr/bin/env python3
"""Moves the sliders of `tufold plan pypi-today --serve` in a headless Chromium, and watches the model answer.

    plan_page.py URL [PICTURES]

Fails with what is wrong. PICTURES is a folder for screenshots.
"""

import sys
from pathlib import Path

from browser import Browser
from explorer_page import BUSY
from report_page import TABLE, Reader, expect

RIGHT, LEFT = "\ue014", "\ue012"


def main():
    with Browser() as browser:
        reader = Reader(browser, Path(sys.argv[2]) if len(sys.argv) > 2 else None)
        browser.open(sys.argv[1])
        headings = "[...document.querySelectorAll('section h2')].map(h => h.textContent)"
        status = "document.getElementById('status').textContent"
        browser.wait_until(lambda: len(reader.value(headings)) == 3, "the model does not answer", 120)
        labels = reader.value("[...document.querySelectorAll('label')].map(l => l.textContent)")
        expect(len(labels) == 11 and all(labels), f"the sliders are {labels}")

        def settled(what):
            browser.wait_until(lambda: reader.value(BUSY) == "false", f"{what}: no answer comes", 120)
            expect(reader.value(status) == "", f"{what}: the page says {reader.value(status)!r}")

        def answer():
            return reader.value(headings), [browser.run(TABLE, f"#finding-{number}") for number in (1, 2, 3)]

        def moved(slider, keys):
            """The headings after some keys, which must change a heading or a number of the tables."""
            before = answer()
            browser.press(f"#{slider}", keys)
            settled(slider)
            after = answer()
            expect(after != before, f"{slider}: the answer stays {before[0]}")
            reader.quiet(slider)
            return after[0]

        settled("the first answer")
        first = reader.value(headings)
        expect("bins-succinct:" in first[0] and "costs least" in first[0], f"no layout is recommended: {first}")
        for number in (1, 2, 3):
            section = f"#finding-{number}"
            expect(reader.shapes(section) > 4, f"{section}: nothing is drawn")
            reader.rows_are_true(section, reader.hover(section))
            browser.hover(1, 1)
        reader.picture("plan-light")
        browser.media(prefers_color_scheme="dark")
        reader.picture("plan-dark")
        browser.media(prefers_color_scheme="light")
        # The most targets: another number of bins.
        large = moved("targets", "\ue010")
        expect(large[0] != first[0], f"ten billion targets want what 18 million want: {large[0]}")
        numbers = browser.run(TABLE, "#finding-2")
        expect("10,000,000,000" in numbers, f"the table does not begin at the targets: {numbers[:3]}")
        # Choices have names, and the chosen form is priced.
        form = "document.querySelector('output[for=form]').textContent"
        expect(reader.value(form) == "best", f"the forms begin at {reader.value(form)}")
        moved("form", RIGHT * 3)
        expect(reader.value(form) == "projects-wildcard", f"the third form is {reader.value(form)}")
        chosen = reader.value(headings)
        expect("projects-wildcard" in chosen[1], f"the chosen form is not priced: {chosen[1]}")
        # Every other assumption has a say: clients without deltas, ten times the churn, fewer cold visits, bins signed again
        # four times as often.
        for slider, keys in (("deltas", RIGHT), ("churn", RIGHT * 13), ("cold", LEFT * 10), ("resign", LEFT * 8)):
            moved(slider, keys)
        browser.width(390, True)
        browser.wait_until(lambda: reader.value("document.querySelector('#finding-1 svg').clientWidth") < 390, "the plot stays wide")
        wide = reader.value("document.scrollingElement.scrollWidth")
        expect(wide <= 390, f"a phone scrolls sideways: {wide} pixels")
        reader.picture("plan-phone")
        reader.quiet("the phone")


if __name__ == "__main__":
    main()
