// A plot on the page: its legend, its switches, keys, theme and print. `mountPlot` draws it; `update` draws other rows.

const PRINT_WIDTH = 660;

/** An element with attributes and children; text is only ever text. */
function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
}

/** The content of a tooltip. */
function tip(head, rows) {
    const body = rows.map((row) => {
        const swatch = element("i");
        if (row.colour) swatch.style.background = row.colour;
        const value = element("td", {}, short(row.value, row.unit));
        value.title = full(row.value);
        const exact = short(row.value, row.unit).replace(/[^\d,.]/g, "") === full(row.value) ? "" : full(row.value);
        return element("tr", {}, element("th", { scope: "row" }, swatch, row.name), value, element("td", { class: "exact" }, exact), element("td", {}, row.origin || ""));
    });
    return element("div", {}, element("strong", {}, head), element("table", {}, ...body));
}

/** The colours and the font of the theme, as the style sheet has them. */
function lookOf(box) {
    const probe = element("span");
    box.append(probe);
    const colour = (name) => {
        probe.style.color = `var(--${name})`;
        return getComputedStyle(probe).color;
    };
    const numbered = (name, count) => Array.from({ length: count }, (_, i) => colour(`${name}-${i + 1}`));
    const look = {
        ink: colour("ink"),
        soft: colour("soft"),
        line: colour("line"),
        paper: colour("paper"),
        raised: colour("raised"),
        shade: colour("shade"),
        accent: colour("accent"),
        onLow: colour("on-low"),
        onHigh: colour("on-high"),
        series: numbered("series", 8),
        ramp: numbered("ramp", 5),
        font: getComputedStyle(box).fontFamily,
    };
    probe.remove();
    return look;
}

/** How wide a text in the plot's label font is. */
function textWidth(text, look) {
    const context = (textWidth.canvas ||= document.createElement("canvas")).getContext("2d");
    context.font = `600 13px ${look.font}`;
    return Math.ceil(context.measureText(text).width);
}

function heightOf(plot, width, log) {
    if (plot.kind === "bars") {
        const rows = plot.stacked || log ? 1 : plot.series.length;
        return Math.max(140, plot.categories.length * Math.max(width >= WIDE ? 44 : 58, rows * 18 + 22) + 40);
    }
    if (plot.kind === "heat") return Math.max(160, plot.rows.length * 46 + 36);
    return width >= WIDE ? 400 : 320;
}

/** Which axes can be switched: the name in the view, and what the button says. */
function switchesOf(plot) {
    if (plot.kind === "lines") return [["x", plot.x.scale, "Log across"], ["y", plot.y.scale, "Log up"]];
    if (plot.kind === "heat") return [["colour", plot.value.scale, "Log colours"]];
    return plot.stacked ? [] : [["x", plot.value.scale, "Log scale"]];
}

/** Draws `plot` into `box` and returns what can be done with it. */
function mountPlot(box, first) {
    let plot = first;
    let printing = false;
    const view = { width: 0, height: 0, log: {}, hidden: new Set(), zoom: { x: [0, 100], y: [0, 100] } };
    for (const [axis, scale] of switchesOf(plot)) view.log[axis] = scale === "log";
    const tools = element("div", { class: "tools" });
    const legend = element("div", { class: "keys", role: "group", "aria-label": "Series" });
    const upLabel = element("p", { class: "axis" });
    const acrossLabel = element("p", { class: "axis across" });
    const spoken = element("p", { class: "spoken", "aria-live": "polite" });
    box.before(legend, tools, upLabel);
    box.after(acrossLabel, spoken);
    box.tabIndex = 0;
    const chart = echarts.init(box, null, { renderer: "svg", width: 100, height: 100 });

    function redraw() {
        const look = lookOf(box);
        view.width = printing ? PRINT_WIDTH : box.clientWidth;
        view.height = heightOf(plot, view.width, view.log.x);
        box.style.height = `${view.height}px`;
        chart.resize({ width: view.width, height: view.height });
        chart.setOption(optionOf(plot, view, look), { notMerge: true });
        // Print does not wait for the next frame.
        chart.getZr().flush();
        drawLegend(look);
        drawTools();
        drawLabels();
    }

    function drawLegend(look) {
        const keys = keysOf(plot, look).map((key) => ({ ...key, origins: plot.series.filter((series) => series.name === key.name).map((series) => series.origin) }));
        if (plot.floor) keys.push({ name: plot.floor.name, colour: look.ink, marker: "tick", origins: [] });
        if (plot.optimum) keys.push({ name: plot.optimum.name, colour: look.accent, marker: "circle", origins: ["predicted"] });
        const held = legend.contains(document.activeElement) ? document.activeElement.dataset.name : null;
        legend.replaceChildren(...keys.map((key) => {
            const button = element("button", { type: "button", class: "key", "aria-pressed": String(!view.hidden.has(key.name)), "data-name": key.name }, swatch(key, plot, look), key.name);
            button.onclick = () => {
                if (!view.hidden.delete(key.name)) view.hidden.add(key.name);
                redraw();
            };
            return button;
        }));
        if (plot.kind === "heat") legend.append(ramp(plot, look));
        else legend.append(originsKey(plot));
        if (held !== null) [...legend.children].find((key) => key.dataset.name === held)?.focus();
    }

    function drawTools() {
        const held = tools.contains(document.activeElement) ? document.activeElement.dataset.tool : null;
        const button = (tool, label, text, action, pressed) => {
            const made = element("button", { type: "button", "data-tool": tool, title: label, "aria-label": label }, text);
            if (pressed !== undefined) made.setAttribute("aria-pressed", String(pressed));
            made.onclick = action;
            return made;
        };
        const switches = switchesOf(plot).map(([axis, , label]) => button(`log-${axis}`, `${label}: equal factors are equal distances`, label, () => {
            view.log[axis] = !view.log[axis];
            redraw();
        }, view.log[axis]));
        const zooms = plot.kind === "heat" ? [] : [
            button("in", "Zoom in (+)", "+", () => zoomBy(0.5)),
            button("out", "Zoom out (−)", "−", () => zoomBy(2)),
            button("whole", "The whole plot (0)", "Whole", () => zoomBy(Infinity)),
        ];
        tools.replaceChildren(...switches, ...zooms);
        if (held !== null) tools.querySelector(`[data-tool="${held}"]`)?.focus();
    }

    function drawLabels() {
        const named = (axis) => axis.label + (unitName(axis.unit) ? `, ${unitName(axis.unit)}` : "") ;
        const [up, across] = {
            lines: () => [named(plot.y), named(plot.x)],
            bars: () => [plot.label, named(plot.value)],
            heat: () => [plot.y_label, plot.x_label],
        }[plot.kind]();
        upLabel.textContent = `↑ ${up}`;
        if (plot.kind === "bars") upLabel.textContent = up;
        acrossLabel.textContent = `${across} →`;
    }

    function zoomBy(factor) {
        for (const which of ["x", "y"]) {
            const [from, to] = view.zoom[which];
            const size = Math.min(100, (to - from) * factor);
            const start = Math.min(Math.max(0, (from + to - size) / 2), 100 - size);
            view.zoom[which] = [start, start + size];
        }
        redraw();
    }

    // What the reader zooms or pans by wheel, pinch or drag; the ticks follow when it comes to rest.
    let resting;
    chart.on("datazoom", () => {
        for (const { id, start, end } of chart.getOption().dataZoom) view.zoom[id] = [start, end];
        clearTimeout(resting);
        resting = setTimeout(redraw, 120);
    });

    let step = -1;
    function stepTo(next) {
        const count = { lines: () => longest(plot, view).points.length, bars: () => plot.categories.length, heat: () => plot.cells.length }[plot.kind]();
        if (count === 0) return;
        step = (next + count) % count;
        let seriesIndex = 0;
        if (plot.kind === "lines") seriesIndex = plot.series.filter((series) => !view.hidden.has(series.name)).indexOf(longest(plot, view));
        chart.dispatchAction({ type: "showTip", seriesIndex, dataIndex: step });
        const shown = box.querySelector(".tip");
        if (shown) spoken.textContent = [...shown.querySelectorAll("strong, tr")].map((part) => [...part.children].map((child) => child.textContent).join(" ") || part.textContent).join("; ");
    }

    function leave() {
        if (step < 0) return;
        step = -1;
        // Else what was pointed at would stay highlighted.
        chart.clear();
        redraw();
    }

    box.addEventListener("keydown", (event) => {
        const actions = {
            ArrowRight: () => stepTo(step + 1),
            ArrowLeft: () => stepTo(Math.max(step, 0) - 1),
            ArrowDown: () => stepTo(step + 1),
            ArrowUp: () => stepTo(Math.max(step, 0) - 1),
            "+": () => zoomBy(0.5),
            "-": () => zoomBy(2),
            0: () => zoomBy(Infinity),
            Escape: leave,
        };
        if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(actions, event.key)) return;
        event.preventDefault();
        actions[event.key]();
    });
    box.addEventListener("blur", leave);
    new ResizeObserver(() => {
        if (!printing && box.clientWidth !== view.width) redraw();
    }).observe(box);
    redraw();
    return {
        redraw,
        update(next) {
            if (next.kind !== plot.kind) view.hidden.clear();
            plot = next;
            redraw();
        },
        print(on) {
            printing = on;
            redraw();
        },
    };
}

/** The shown series with the most points. */
function longest(plot, view) {
    const shown = plot.series.filter((series) => !view.hidden.has(series.name));
    return shown.reduce((best, series) => (series.points.length > best.points.length ? series : best), shown[0] || { points: [] });
}

const SVG = "http://www.w3.org/2000/svg";

function drawing(width, parts) {
    const svg = document.createElementNS(SVG, "svg");
    const set = (node, attributes) => Object.entries(attributes).forEach(([key, value]) => node.setAttribute(key, value));
    set(svg, { width, height: 14, viewBox: `0 0 ${width} 14`, "aria-hidden": "true" });
    for (const [name, attributes] of parts) {
        const node = document.createElementNS(SVG, name);
        set(node, attributes);
        svg.append(node);
    }
    return svg;
}

const SHAPES = {
    circle: ["circle", { cx: 13, cy: 7, r: 4.5 }],
    rect: ["rect", { x: 9, y: 3, width: 8, height: 8 }],
    triangle: ["path", { d: "M13 2.5 18 11.5H8Z" }],
    diamond: ["path", { d: "M13 1.5 18.5 7 13 12.5 7.5 7Z" }],
    roundRect: ["rect", { x: 8.5, y: 2.5, width: 9, height: 9, rx: 3 }],
    "path://M0 0H10L5 10Z": ["path", { d: "M13 11.5 8 2.500H18Z" }],
    tick: ["rect", { x: 11.5, y: 0, width: 3, height: 14 }],
};

function swatch(key, plot, look) {
    if (plot.kind === "bars" && key.marker !== "tick" && plot.stacked) {
        return drawing(26, [["rect", { x: 6, y: 1, width: 14, height: 12, rx: 2, fill: key.colour }]]);
    }
    const [name, shape] = SHAPES[key.marker];
    const only = key.origins.length > 0 && key.origins.every((origin) => origin === "predicted");
    const parts = [];
    if (plot.kind !== "bars" && key.origins.some((origin) => origin !== "cited")) {
        parts.push(["line", { x1: 0, y1: 7, x2: 26, y2: 7, stroke: key.colour, "stroke-width": 2.25, "stroke-dasharray": only && plot.kind === "lines" ? "5 3" : "none" }]);
    }
    parts.push([name, { ...shape, fill: only ? look.paper : key.colour, stroke: key.colour, "stroke-width": 2 }]);
    return drawing(26, parts);
}

/** What filled and open stand for, of the origins that occur. */
function originsKey(plot) {
    const origins = [...new Set(plot.series.map((series) => series.origin))];
    const signs = plot.kind === "lines"
        ? { measured: "● measured", predicted: "○ predicted", cited: "● without a line: cited" }
        : { measured: "filled: measured", predicted: "hatched or open: predicted", cited: "cited" };
    return element("span", { class: "origins" }, origins.map((origin) => signs[origin]).join("   "));
}

/** The colours of a heat map with their ends. */
function ramp(plot, look) {
    const [low, high] = extent(plot.cells.map((cell) => cell.value));
    const bar = element("i", { class: "ramp" });
    bar.style.background = `linear-gradient(to right, ${look.ramp.join(", ")})`;
    const measured = plot.cells.some((cell) => cell.origin === "measured");
    const predicted = plot.cells.some((cell) => cell.origin === "predicted");
    const origins = measured && predicted ? "  • measured, others predicted" : measured ? "  measured" : predicted ? "  predicted" : "";
    return element("span", { class: "origins" }, `${plot.value.label}: ${short(low, plot.value.unit)} `, bar, ` ${short(high, plot.value.unit)}${origins}`);
}

/** Redraws `mounted()` when the theme changes, switches it by the button, and makes it fit for print. */
function watchPage(mounted) {
    const root = document.documentElement;
    const button = document.getElementById("theme");
    const system = matchMedia("(prefers-color-scheme: dark)");
    const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
    const show = () => {
        button.setAttribute("aria-pressed", String(dark()));
        for (const plot of mounted()) plot.redraw();
    };
    button.onclick = () => {
        root.dataset.theme = dark() ? "light" : "dark";
        show();
    };
    system.addEventListener("change", show);
    let before;
    addEventListener("beforeprint", () => {
        before = { theme: root.dataset.theme, open: [...document.querySelectorAll("details[open]")] };
        root.dataset.theme = "light";
        for (const details of document.querySelectorAll("details")) details.open = true;
        for (const plot of mounted()) plot.print(true);
    });
    addEventListener("afterprint", () => {
        if (!before) return;
        if (before.theme === undefined) delete root.dataset.theme;
        else root.dataset.theme = before.theme;
        for (const details of document.querySelectorAll("details")) details.open = before.open.includes(details);
        for (const plot of mounted()) plot.print(false);
    });
    button.setAttribute("aria-pressed", String(dark()));
}
