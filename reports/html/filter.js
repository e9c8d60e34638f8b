// Which records the page shows: boxes for backends, tasks and context lengths, kept in the address.

/** What can be filtered by; records without a value, such as a training's length, always stay. */
const FILTERS = [
  { key: "backend", title: "Backends", of: (r) => r.backend, label: String },
  { key: "task", title: "Tasks", of: (r) => r.task, label: String },
  { key: "length", title: "Context lengths", of: (r) => (r.context_length === null ? "" : String(r.context_length)),
    label: (value) => lengthName(Number(value)) },
].map((filter) => {
  const values = distinct(ALL_RECORDS.map(filter.of)).filter((value) => value !== "");
  if (filter.key === "length") values.sort((a, b) => a - b);
  return { ...filter, values, chosen: new Set(values), boxes: new Map() };
});

const isFiltering = ({ values, chosen }) => chosen.size < values.length;
const passes = (r) => FILTERS.every((filter) => {
  const value = filter.of(r);
  return value === "" || filter.chosen.has(value);
});

/** "#backend=full&length=512&section=latency": what is chosen where not all is, and where to go. */
function addressOf(section = null) {
  const parts = new URLSearchParams();
  for (const { key, chosen } of FILTERS.filter(isFiltering)) {
    for (const value of chosen.size ? chosen : [""]) parts.append(key, value);
  }
  if (section !== null) parts.set("section", section);
  return `#${parts}`;
}

/** Chooses what the address says; names that this run does not have are passed over. */
function readAddress() {
  const parts = new URLSearchParams(location.hash.slice(1));
  for (const { key, values, chosen } of FILTERS) {
    const wanted = parts.getAll(key), known = values.filter((value) => wanted.includes(value));
    chosen.clear();
    for (const value of known.length || wanted.includes("") ? known : values) chosen.add(value);
  }
  return parts.get("section");
}

/** "2 of 3 backends, 1 of 4 context lengths", or "". */
const filterText = () => FILTERS.filter(isFiltering).map(({ title, values, chosen }) =>
  `${chosen.size} of ${values.length} ${title.toLowerCase()}`).join(", ");

function filterGroup(filter, changed) {
  const set = (wanted) => () => {
    filter.chosen.clear();
    for (const value of wanted) filter.chosen.add(value);
    changed();
  };
  const boxes = filter.values.map((value) => {
    const box = make("input", { type: "checkbox" });
    box.addEventListener("change", () => {
      filter.chosen[box.checked ? "add" : "delete"](value);
      changed();
    });
    filter.boxes.set(value, box);
    return make("label", {}, box, filter.key === "backend" ? [" ", swatch(value)] : null, ` ${filter.label(value)}`);
  });
  const button = (text, wanted) => {
    const made = make("button", { type: "button", class: "small", "aria-label": `${text} ${filter.title.toLowerCase()}` }, text);
    made.addEventListener("click", set(wanted));
    return made;
  };
  return make("fieldset", {}, make("legend", {}, filter.title), boxes,
    make("span", { class: "whole" }, button("all", filter.values), " ", button("none", [])));
}

/** Fills the bar; `changed` is called when another choice has been made. */
function makeFilterBar(changed) {
  const groups = FILTERS.filter(({ values }) => values.length > 1);
  document.getElementById("filter").hidden = groups.length === 0;
  document.getElementById("filter-groups").append(...groups.map((filter) => filterGroup(filter, changed)));
  document.getElementById("filter-reset").addEventListener("click", () => {
    for (const { values, chosen } of FILTERS) for (const value of values) chosen.add(value);
    document.querySelector("#filter summary").focus();  // the button goes
    changed();
  });
}

/** Boxes, texts and address as what is chosen has it. */
function showFilter() {
  for (const { chosen, boxes } of FILTERS) for (const [value, box] of boxes) box.checked = chosen.has(value);
  const count = (n) => n.toLocaleString("en-US"), text = filterText();
  document.getElementById("filter-text").textContent = text ? `: ${text}` : "";
  document.getElementById("filter-count").textContent = text
    ? `Showing ${count(RECORDS.length)} of ${count(ALL_RECORDS.length)} records` : `All ${count(ALL_RECORDS.length)} records`;
  document.getElementById("filter-reset").hidden = text === "";
}
