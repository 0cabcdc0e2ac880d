#!/usr/bin/env python3
"""Moves the sliders of `tufold plan pypi-today --serve` in a headless Chromium, and watches the model answer.

    plan_page.py URL [PICTURES]

Fails with what is wrong. PICTURES is a folder for screenshots.
"""

import sys
from pathlib import Path

from browser import Browser
from report_page import TABLE, Reader, expect


def main():
    with Browser() as browser:
        reader = Reader(browser, Path(sys.argv[2]) if len(sys.argv) > 2 else None)
        browser.open(sys.argv[1])
        headings = "[...document.querySelectorAll('section h2')].map(h => h.textContent)"
        status = "document.getElementById('status').textContent"
        browser.wait_until(lambda: len(reader.value(headings)) == 3, "the model does not answer", 120)
        labels = reader.value("[...document.querySelectorAll('label')].map(l => l.textContent)")
        expect(len(labels) == 11 and all(labels), f"the sliders are {labels}")

        def moved(slider, keys):
            """The headings after some keys, which must change one of them."""
            before = reader.value(headings)
            browser.press(f"#{slider}", keys)
            browser.wait_until(lambda: reader.value(headings) != before, f"{slider}: the answer stays {before}", 120)
            expect(reader.value(status) == "", f"{slider}: the page says {reader.value(status)!r}")
            reader.quiet(slider)
            return reader.value(headings)

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
        moved("form", "\ue014\ue014\ue014")
        expect(reader.value(form) == "projects-wildcard", f"the third form is {reader.value(form)}")
        browser.width(390, True)
        browser.wait_until(lambda: reader.value("document.querySelector('#finding-1 svg').clientWidth") < 390, "the plot stays wide")
        wide = reader.value("document.scrollingElement.scrollWidth")
        expect(wide <= 390, f"a phone scrolls sideways: {wide} pixels")
        reader.picture("plan-phone")
        reader.quiet("the phone")


if __name__ == "__main__":
    main()
