// The page of an explorer: its sliders ask the server, and what it answers is drawn at once.

const { endpoint, sliders } = JSON.parse(document.getElementById("data").textContent);
const place = document.getElementById("sections");
const status = document.getElementById("status");
const inputs = sliders.map((slider) => ({ slider, input: document.getElementById(slider.name) }));
let drawn = [];

/** The value at a whole number of steps from the least. */
function valueAt(slider, steps) {
    const value = slider.log ? slider.min * 2 ** (steps * slider.step) : slider.min + steps * slider.step;
    return Number(Math.min(value, slider.max).toPrecision(12));
}

function stepsOf(slider, value) {
    const steps = slider.log ? Math.log2(value / slider.min) / slider.step : (value - slider.min) / slider.step;
    return Math.round(steps);
}

for (const { slider, input } of inputs) {
    input.min = 0;
    input.max = Math.ceil(slider.log ? Math.log2(slider.max / slider.min) / slider.step - 1e-9 : (slider.max - slider.min) / slider.step - 1e-9);
    input.step = 1;
    input.value = stepsOf(slider, slider.start);
    input.addEventListener("input", ask);
}

/** The one request that is under way, and whether the values have changed since. */
let underWay = null;
let changed = false;

/** So long is waited for an answer that nobody wants any more, since the next may not come sooner. */
const PATIENCE_MS = 400;

/** Asks for the values that are chosen now. What was asked last is drawn last. */
function ask() {
    for (const { slider, input } of inputs) {
        const value = valueAt(slider, Number(input.value));
        const text = slider.choices[value] ?? short(value, slider.unit);
        input.setAttribute("aria-valuetext", text);
        input.parentElement.querySelector("output").textContent = text;
    }
    place.setAttribute("aria-busy", "true");
    if (!underWay) {
        send();
    } else if (!changed) {
        changed = true;
        const { giveUp, since } = underWay;
        setTimeout(() => giveUp.abort(), Math.max(0, since + PATIENCE_MS - performance.now()));
    }
}

async function send() {
    changed = false;
    const giveUp = new AbortController();
    underWay = { giveUp, since: performance.now() };
    const query = new URLSearchParams(inputs.map(({ slider, input }) => [slider.name, String(valueAt(slider, Number(input.value)))]));
    try {
        const reply = await fetch(`${endpoint}?${query}`, { signal: giveUp.signal });
        const text = await reply.text();
        if (!reply.ok) throw new Error(text || `the server answered ${reply.status}`);
        draw(JSON.parse(text));
        status.textContent = "";
    } catch (error) {
        if (!giveUp.signal.aborted) status.textContent = `No answer for these values: ${error.message}`;
    }
    underWay = null;
    if (changed) send();
    else place.setAttribute("aria-busy", "false");
}

function draw(sections) {
    while (drawn.length > sections.length) drawn.pop().section.remove();
    sections.forEach((section, i) => {
        if (!drawn[i] || drawn[i].kind !== section.plot.kind) {
            const made = build(section, i);
            if (drawn[i]) drawn[i].section.replaceWith(made.section);
            else place.append(made.section);
            made.plot = mountPlot(made.box, section.plot);
            drawn[i] = made;
        } else {
            drawn[i].plot.update(section.plot);
        }
        fill(drawn[i], section);
    });
}

function build(section, i) {
    const made = {
        kind: section.plot.kind,
        subject: element("p", { class: "subject" }),
        finding: element("h2", { id: `heading-${i + 1}` }),
        box: element("div", { class: "plot", role: "img" }),
        notes: element("figcaption"),
        table: element("div", { class: "wide", tabindex: "0", role: "region" }),
    };
    made.section = element("section", { id: `finding-${i + 1}`, "aria-labelledby": `heading-${i + 1}` },
        made.subject, made.finding, element("figure", {}, made.box, made.notes),
        element("details", { class: "numbers" }, element("summary", {}, "The numbers"), made.table));
    return made;
}

function fill(made, section) {
    made.subject.textContent = section.title;
    made.finding.textContent = section.finding;
    made.box.setAttribute("aria-label", section.alt);
    made.notes.replaceChildren(...section.notes.map((note) => element("p", {}, note)));
    // Written by the same server, and escaped there.
    made.table.innerHTML = section.table_html;
    made.table.setAttribute("aria-label", `Numbers: ${section.title}`);
}

watchPage(() => drawn.map((made) => made.plot));
ask();
