// The page of a report: every plot is drawn from the rows in the page.

const rows = JSON.parse(document.getElementById("data").textContent);
const plots = [...document.querySelectorAll("[data-plot]")].map((box) => mountPlot(box, rows[Number(box.dataset.plot)]));
watchPage(() => plots);
