// From the rows of a plot, what the reader chose (`view`) and the colours of the theme (`look`) to an option of ECharts.
//
// view: { width, height, log: { x, y }, hidden: Set of names, zoom: { x: [from, to], y: [from, to] } in percent }

const MARKERS = ["circle", "rect", "triangle", "diamond", "path://M0 0H10L5 10Z", "roundRect"];
const WIDE = 640;

/** The names of a plot's series in order, each once, with its colour and marker. */
function keysOf(plot, look) {
    const names = [...new Set((plot.series || []).map((series) => series.name))];
    return names.map((name, i) => ({
        name,
        colour: look.series[i % look.series.length],
        marker: MARKERS[i % MARKERS.length],
    }));
}

function optionOf(plot, view, look) {
    const option = { lines: linesOption, bars: barsOption, heat: heatOption }[plot.kind](plot, view, look);
    return {
        animation: false,
        textStyle: { fontFamily: look.font, color: look.ink },
        ...option,
        tooltip: {
            confine: true,
            className: "tip",
            backgroundColor: look.raised,
            borderColor: look.line,
            padding: 0,
            textStyle: { color: look.ink },
            transitionDuration: 0,
            ...option.tooltip,
        },
    };
}

// ---- lines

function linesOption(plot, view, look) {
    const keys = new Map(keysOf(plot, look).map((key) => [key.name, key]));
    const shown = plot.series.filter((series) => !view.hidden.has(series.name));
    const drawn = (point) => (!view.log.x || point[0] > 0) && (!view.log.y || point[1] > 0);
    const points = shown.map((series) => series.points.filter(drawn));
    const all = points.flat();
    const marks = (axis) => plot.marks.filter((mark) => mark.axis === axis).map((mark) => mark.at);
    const x = numberAxis(plot.x, all.map((point) => point[0]).concat(marks("x")), view, "x", look);
    const y = numberAxis(plot.y, all.map((point) => point[1]).concat(marks("y")), view, "y", look);
    const labelled = lastOfEachName(shown);
    const direct = view.width >= WIDE && labelled.size <= 8;
    const ends = direct ? endLabels(labelled, x, y, view, look) : { room: 0, shifts: new Map() };
    const series = shown.map((series, i) => {
        const key = keys.get(series.name);
        const few = points[i].length <= 60;
        return {
            type: "line",
            name: series.name,
            data: points[i],
            step: series.run === "steps" ? "end" : false,
            symbol: key.marker,
            symbolSize: 8,
            showSymbol: few,
            showAllSymbol: few,
            lineStyle: {
                color: key.colour,
                width: series.origin === "cited" ? 0 : 2.25,
                type: series.origin === "predicted" ? [6, 4] : "solid",
            },
            itemStyle: markerStyle(series.origin, key.colour, look),
            emphasis: { focus: "series", blurScope: "coordinateSystem" },
            endLabel: {
                show: direct && labelled.has(series),
                formatter: () => series.name,
                color: key.colour,
                fontSize: 13,
                fontWeight: 600,
                distance: 8,
                offset: [0, ends.shifts.get(series) || 0],
                ...(textWidth(series.name, look) > labelLimit(view) ? { width: labelLimit(view), overflow: "truncate" } : {}),
            },
            z: series.origin === "predicted" ? 2 : 3,
        };
    });
    return {
        grid: { left: 4, right: 20 + ends.room, top: 16, bottom: 4, ...LABELS_INSIDE },
        xAxis: x,
        yAxis: y,
        dataZoom: [zoom("x", view), zoom("y", view)],
        series: series.concat(markSeries(plot.marks, look)),
        tooltip: {
            trigger: "axis",
            axisPointer: { type: "line", snap: true, lineStyle: { color: look.soft, type: "solid" }, label: { show: false } },
            formatter: (params) => linesTip(plot, shown, params, keys),
        },
    };
}

const LABELS_INSIDE = { outerBoundsMode: "same", outerBoundsContain: "axisLabel" };

function markerStyle(origin, colour, look) {
    return { color: origin === "predicted" ? look.paper : colour, borderColor: colour, borderWidth: 2, opacity: 1 };
}

/** Of each name the series that ends furthest to the right. */
function lastOfEachName(all) {
    const last = new Map();
    const end = (series) => series.points[series.points.length - 1][0];
    for (const series of all) {
        if (series.points.length === 0) continue;
        const before = last.get(series.name);
        if (!before || end(series) > end(before)) last.set(series.name, series);
    }
    return new Set(last.values());
}

/** How long a label at the end of a line may be. */
function labelLimit(view) {
    return Math.round(view.width * 0.26);
}

/** How much room the labels at the ends need to the right of the plot, and how far each moves so that none covers another. */
function endLabels(labelled, x, y, view, look) {
    const share = (axis, log, value) => {
        const at = log ? Math.log : (number) => number;
        return (at(value) - at(axis.min)) / (at(axis.max) - at(axis.min));
    };
    const ends = [...labelled].map((series) => {
        const [endX, endY] = series.points[series.points.length - 1];
        const across = share(x, view.log.x, endX);
        const top = (1 - share(y, view.log.y, endY)) * (view.height - 50);
        return { series, top, room: Math.min(textWidth(series.name, look), labelLimit(view)) - (1 - across) * view.width * 0.7, across };
    });
    const shifts = new Map();
    let free = -Infinity;
    // A label inside the plot goes above its line; those at the edge share it.
    for (const end of ends.filter((end) => end.across <= 0.9)) shifts.set(end.series, -12);
    for (const end of ends.filter((end) => end.across > 0.9).sort((a, b) => a.top - b.top)) {
        const placed = Math.max(end.top, free);
        shifts.set(end.series, placed - end.top);
        free = placed + 17;
    }
    return { room: Math.max(0, ...ends.map((end) => end.room)), shifts };
}

function markSeries(marks, look) {
    if (marks.length === 0) return [];
    const data = marks.map((mark) => ({
        [mark.axis === "x" ? "xAxis" : "yAxis"]: mark.at,
        label: {
            formatter: () => mark.label,
            position: mark.axis === "x" ? "end" : "insideEndTop",
            rotate: 0,
            color: look.soft,
            fontSize: 12,
        },
    }));
    const lineStyle = { color: look.soft, type: [2, 3], width: 1.5 };
    return [{ type: "line", data: [], silent: true, markLine: { silent: true, symbol: "none", lineStyle, data } }];
}

function linesTip(plot, shown, params, keys) {
    if (params.length === 0) return "";
    const at = params[0].value[0];
    const rows = params
        .filter((param) => param.seriesIndex < shown.length)
        .map((param) => ({ series: shown[param.seriesIndex], value: param.value[1] }))
        .sort((a, b) => b.value - a.value)
        .map(({ series, value }) => ({ colour: keys.get(series.name).colour, name: series.name, value, unit: plot.y.unit, origin: series.origin }));
    return tip(`${short(at, plot.x.unit)} ${plot.x.label}`, rows);
}

// ---- bars

function barsOption(plot, view, look) {
    const keys = new Map(keysOf(plot, look).map((key) => [key.name, key]));
    const shown = plot.series.filter((series) => !view.hidden.has(series.name));
    const floor = plot.floor && !view.hidden.has(plot.floor.name) ? plot.floor : null;
    const log = view.log.x && !plot.stacked;
    const values = shown.flatMap((series) => series.values).concat(floor ? floor.values : []).filter((value) => value !== null);
    const label = view.width >= WIDE ? 210 : 112;
    const row = view.height / Math.max(1, plot.categories.length);
    const series = shown.map((series) => {
        const key = keys.get(series.name);
        const common = { name: series.name, emphasis: { focus: "none" } };
        if (log) {
            const data = series.values.map((value, i) => (value > 0 ? [value, i] : null)).filter(Boolean);
            return { ...common, type: "scatter", data, symbol: key.marker, symbolSize: 11, itemStyle: markerStyle(series.origin, key.colour, look) };
        }
        return {
            ...common,
            type: "bar",
            data: series.values,
            stack: plot.stacked ? "all" : undefined,
            barMaxWidth: plot.stacked ? 26 : 16,
            barGap: "12%",
            itemStyle: {
                color: key.colour,
                borderColor: plot.stacked ? look.paper : key.colour,
                borderWidth: 1,
                decal: series.origin === "predicted" ? hatch(look) : undefined,
            },
            label: {
                show: !plot.stacked && shown.length * plot.categories.length <= 36,
                position: "right",
                color: look.soft,
                fontSize: 12,
                formatter: (param) => short(param.value, plot.value.unit),
            },
        };
    });
    if (floor) {
        series.push({
            type: "scatter",
            name: floor.name,
            data: floor.values.map((value, i) => [value, i]),
            symbol: "rect",
            symbolSize: [3, Math.min(row * 0.72, 200)],
            itemStyle: { color: look.ink },
            z: 5,
        });
    }
    const amounts = numberAxis(plot.value, plot.stacked ? [0, ...sums(shown, plot.categories.length)] : log ? values : values.concat(0), { ...view, log: { x: log } }, "x", look);
    return {
        grid: { left: 4, right: log || plot.stacked ? 20 : 64, top: 4, bottom: 4, ...LABELS_INSIDE },
        xAxis: { ...amounts, splitLine: { show: true, lineStyle: { color: look.line } }, axisLine: { show: false }, axisTick: { show: false } },
        yAxis: {
            type: "category",
            inverse: true,
            data: plot.categories,
            axisLine: { lineStyle: { color: look.soft } },
            axisTick: { show: false },
            splitLine: { show: log, lineStyle: { color: look.line } },
            axisLabel: { color: look.ink, fontSize: 13, width: label, overflow: "break", lineHeight: 16, interval: 0 },
        },
        dataZoom: [zoom("x", view)],
        series,
        tooltip: {
            trigger: "axis",
            axisPointer: { type: "shadow", axis: "y", shadowStyle: { color: look.shade } },
            formatter: (params) => barsTip(plot, shown, floor, params[0], keys, look),
        },
    };
}

function sums(all, count) {
    return Array.from({ length: count }, (_, i) => all.reduce((sum, series) => sum + (series.values[i] || 0), 0));
}

function hatch(look) {
    return { symbol: "rect", rotation: -Math.PI / 4, dashArrayX: [1, 0], dashArrayY: [2, 5], color: look.paper };
}

function barsTip(plot, shown, floor, param, keys, look) {
    if (!param) return "";
    const i = param.axisIndex === undefined ? param.dataIndex : plot.categories.indexOf(param.axisValue);
    const unit = plot.value.unit;
    const rows = shown
        .filter((series) => Number.isFinite(series.values[i]))
        .map((series) => ({ colour: keys.get(series.name).colour, name: series.name, value: series.values[i], unit, origin: series.origin }));
    if (plot.stacked && rows.length > 1) rows.push({ colour: look.soft, name: "all", value: sums(shown, plot.categories.length)[i], unit });
    if (floor && Number.isFinite(floor.values[i])) rows.push({ colour: look.ink, name: floor.name, value: floor.values[i], unit });
    return tip(plot.categories[i], rows);
}

// ---- heat map

function heatOption(plot, view, look) {
    const log = view.log.colour;
    const value = (cell) => (log ? Math.log10(cell.value) : cell.value);
    const cells = plot.cells.filter((cell) => !log || cell.value > 0);
    const range = extent(cells.map(value));
    const wide = view.width / Math.max(1, plot.columns.length) >= 64;
    const data = cells.map((cell) => ({
        value: [cell.column, cell.row, value(cell)],
        label: { color: readable((value(cell) - range[0]) / (range[1] - range[0] || 1), look) },
    }));
    const names = (data, width) => ({
        type: "category",
        data,
        axisLine: { show: false },
        axisTick: { show: false },
        axisLabel: { color: look.ink, fontSize: 12, hideOverlap: true, width, overflow: "truncate" },
        splitArea: { show: false },
    });
    const series = [{
        type: "heatmap",
        data,
        itemStyle: { borderColor: look.paper, borderWidth: 1.5 },
        emphasis: { itemStyle: { borderColor: look.ink } },
        label: {
            show: wide,
            // The optimum's path runs through the middle.
            position: plot.optimum ? "insideBottom" : "inside",
            fontSize: 12,
            formatter: (param) => short(cells[param.dataIndex].value, plot.value.unit) + (cells[param.dataIndex].origin === "measured" ? " •" : ""),
        },
    }];
    if (plot.optimum && !view.hidden.has(plot.optimum.name)) {
        series.push({
            type: "line",
            name: plot.optimum.name,
            data: plot.optimum.rows.map((row, column) => (row === null ? null : [column, row])),
            symbol: "circle",
            symbolSize: 9,
            lineStyle: { color: look.accent, width: 2.5 },
            itemStyle: markerStyle("predicted", look.accent, look),
            silent: true,
            z: 5,
        });
    }
    return {
        grid: { left: 4, right: 8, top: 4, bottom: 4, ...LABELS_INSIDE },
        xAxis: names(plot.columns, Math.max(60, view.width / Math.max(1, plot.columns.length))),
        yAxis: names(plot.rows, Math.round(view.width * 0.22)),
        visualMap: { type: "continuous", show: false, seriesIndex: 0, dimension: 2, min: range[0], max: range[1], inRange: { color: look.ramp } },
        series,
        tooltip: { trigger: "item", formatter: (param) => heatTip(plot, cells[param.dataIndex], look) },
    };
}

/** The text colour on a cell that is `share` of the way up the ramp. */
function readable(share, look) {
    return share > 0.55 ? look.onHigh : look.onLow;
}

function heatTip(plot, cell, look) {
    if (!cell) return "";
    const best = plot.optimum && plot.optimum.rows[cell.column] === cell.row;
    const head = `${plot.columns[cell.column]} ${plot.x_label}, ${plot.rows[cell.row]} ${plot.y_label}`;
    const rows = [{ colour: null, name: plot.value.label, value: cell.value, unit: plot.value.unit, origin: cell.origin }];
    return tip(best ? `${head}: ${plot.optimum.name}` : head, rows);
}

// ---- axes and zoom

function extent(values) {
    const finite = values.filter(Number.isFinite);
    return finite.length ? [Math.min(...finite), Math.max(...finite)] : [1, 10];
}

/** An axis of numbers that holds all `values`, with ticks that suit what is in view. */
function numberAxis(axis, values, view, which, look) {
    const log = view.log[which];
    let [min, max] = extent(values.filter((value) => !log || value > 0));
    if (log) {
        const pad = which === "x" ? (max / min) ** 0.03 || 1 : (max / min) ** 0.04 || 1;
        [min, max] = min === max ? [min / 2, max * 2] : [min / pad, max * pad];
    } else {
        if (which === "y" && min > 0 && min < max * 0.6) min = 0;
        const pad = (max - min || Math.abs(max) || 1) * 0.03;
        [min, max] = [min === 0 ? 0 : min - pad, max + pad];
    }
    const ticks = ticksOf(axis, log, inView([min, max], log, view.zoom[which]), which === "x" ? view.width / 100 : view.height / 44);
    return {
        type: log ? "log" : "value",
        min,
        max,
        axisLine: { show: which === "x", lineStyle: { color: look.soft }, onZero: false },
        axisTick: { show: which === "x", customValues: ticks, lineStyle: { color: look.soft } },
        axisLabel: { customValues: ticks, color: look.soft, fontSize: 12, hideOverlap: true, formatter: (value) => short(nearest(ticks, value), axis.unit) },
        splitLine: { show: which === "y", lineStyle: { color: look.line } },
        minorTick: { show: false },
    };
}

/** A log axis hands back its ticks with errors of rounding. */
function nearest(ticks, value) {
    return ticks.reduce((best, tick) => (Math.abs(tick - value) < Math.abs(best - value) ? tick : best), ticks[0] ?? value);
}

function inView([min, max], log, [from, to]) {
    const at = log
        ? (percent) => min * (max / min) ** (percent / 100)
        : (percent) => min + ((max - min) * percent) / 100;
    return [at(from), at(to)];
}

/** About `wanted` round numbers in the range, or the axis' own if they are in view. */
function ticksOf(axis, log, [min, max], wanted) {
    const own = axis.ticks.filter((tick) => tick >= min && tick <= max);
    if (own.length > 1) {
        const every = Math.ceil(own.length / wanted);
        return own.filter((_, i) => i % every === 0);
    }
    if (log && max / min > 8) {
        const decades = Math.log10(max / min);
        const steps = decades * 3 <= wanted ? [1, 2, 5] : [1];
        const every = steps.length > 1 ? 1 : Math.ceil(decades / wanted);
        const ticks = [];
        for (let power = Math.floor(Math.log10(min)); power <= Math.ceil(Math.log10(max)); power += 1) {
            if (power % every === 0) ticks.push(...steps.map((step) => round(step * 10 ** power)));
        }
        return ticks.filter((tick) => tick >= min && tick <= max);
    }
    const rough = (max - min) / Math.max(2, wanted);
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((times) => times * power >= rough);
    const ticks = [];
    for (let i = Math.ceil(min / step); i * step <= max; i += 1) ticks.push(round(i * step));
    return ticks;
}

function round(value) {
    return Number(value.toPrecision(12));
}

function zoom(which, view) {
    const [start, end] = view.zoom[which];
    return {
        type: "inside",
        id: which,
        [`${which}AxisIndex`]: 0,
        filterMode: "none",
        start,
        end,
        // A plain wheel scrolls the page.
        zoomOnMouseWheel: "ctrl",
        moveOnMouseWheel: false,
        moveOnMouseMove: start > 0 || end < 100,
        preventDefaultMouseMove: false,
    };
}
