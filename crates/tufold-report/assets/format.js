// How a number is written for people; src/unit.rs writes the same.

const STEPS = {
    "count": [[1e12, 1e12, " trillion"], [1e9, 1e9, " billion"], [1e7, 1e6, " million"], [0, 1, ""]],
    "bytes": [
        [1e18, 1e18, " EB"], [1e15, 1e15, " PB"], [1e12, 1e12, " TB"], [1e9, 1e9, " GB"],
        [1e6, 1e6, " MB"], [1e3, 1e3, " kB"], [0, 1, " B"],
    ],
    "seconds": [
        [172800, 86400, " d"], [7200, 3600, " h"], [120, 60, " min"], [1, 1, " s"], [1e-3, 1e-3, " ms"], [0, 1e-6, " µs"],
    ],
    "years": [[0, 1, " years"]],
    "ratio": [[0, 1, " ×"]],
    "percent": [[0, 1, " %"]],
    "bits-per-second": [
        [1e12, 1e12, " Tbit/s"], [1e9, 1e9, " Gbit/s"], [1e6, 1e6, " Mbit/s"], [1e3, 1e3, " kbit/s"], [0, 1, " bit/s"],
    ],
};

/** `value` with three significant digits and its unit. */
function short(value, unit) {
    if (!Number.isFinite(value)) return "—";
    const size = Math.abs(value);
    const steps = STEPS[unit];
    const zero = unit === "seconds" ? [0, 1, " s"] : steps[steps.length - 1];
    const [, divisor, suffix] = (size > 0 && steps.find(([from]) => size >= from)) || zero;
    return (value < 0 ? "−" : "") + digits(size / divisor, 3) + suffix;
}

/** `value` with every digit before the point, six in all at least, and without its unit. */
function full(value) {
    if (!Number.isFinite(value)) return "—";
    return (value < 0 ? "−" : "") + digits(Math.abs(value), 6);
}

function digits(size, significant) {
    let decimals = significant - 1;
    let scaled = size;
    for (; scaled >= 10 && decimals > 0; decimals -= 1) scaled /= 10;
    for (; scaled > 0 && scaled < 1 && decimals < 12; decimals += 1) scaled *= 10;
    const shift = 10 ** decimals;
    const rounded = Math.round(size * shift) / shift;
    const text = rounded < 1e21 ? rounded.toFixed(decimals) : BigInt(rounded).toString();
    return grouped(text.includes(".") ? text.replace(/\.?0+$/, "") : text);
}

function grouped(text) {
    const [whole, rest] = text.split(".");
    const commas = whole.replace(/\B(?=(\d{3})+$)/g, ",");
    return rest === undefined ? commas : `${commas}.${rest}`;
}

/** "bytes", or nothing for a count. */
function unitName(unit) {
    return { "bytes": "bytes", "seconds": "seconds", "years": "years", "ratio": "×", "percent": "%", "bits-per-second": "bit/s" }[unit] || "";
}
