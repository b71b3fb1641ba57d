"use strict";
// A click on a column's head sorts its table: numbers by size, words by letter, gaps last.
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  const heads = Array.from(table.tHead.rows[0].cells);
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = Array.from(body.rows, (row) => {
        const cell = row.cells[column];
        return { row, key: cell.dataset.key, number: cell.classList.contains("number") };
      });
      rows.sort((one, other) => {
        if (one.key === "" || other.key === "") {
          return (one.key === "") - (other.key === "");
        }
        const order = one.number && other.number
          ? Number(one.key) - Number(other.key)
          : one.key.localeCompare(other.key, undefined, { numeric: true });
        return up ? order : -order;
      });
      body.append(...rows.map((each) => each.row));
    });
  });
}
document.documentElement.dataset.ready = "yes";
