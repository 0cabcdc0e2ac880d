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

/** The one request that is under way; when it is back, what changed meanwhile is asked. */
let asking = false;
let changed = false;

async function ask() {
    const query = new URLSearchParams();
    for (const { slider, input } of inputs) {
        const value = valueAt(slider, Number(input.value));
        query.set(slider.name, String(value));
        const text = slider.choices[value] ?? short(value, slider.unit);
        input.setAttribute("aria-valuetext", text);
        input.parentElement.querySelector("output").textContent = text;
    }
    if (asking) {
        changed = true;
        return;
    }
    asking = true;
    try {
        const reply = await fetch(`${endpoint}?${query}`);
        const text = await reply.text();
        if (!reply.ok) throw new Error(text || `the server answered ${reply.status}`);
        draw(JSON.parse(text));
        status.textContent = "";
    } catch (error) {
        status.textContent = `No answer for these values: ${error.message}`;
    } finally {
        asking = false;
    }
    if (changed) {
        changed = false;
        ask();
    }
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
