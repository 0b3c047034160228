// The page: what the diagram shows, the lists beside it, search, filters, keys.

const KINDS = [
  { type: "op", name: "operations", colour: "op" },
  { type: "lock", name: "locks", colour: "write" },
  { type: "message", name: "messages", colour: "message" },
  { type: "write", name: "disk writes", colour: "disk" },
  { type: "chatter", name: "routine", colour: "chatter", off: true },
  { type: "fault", name: "faults", colour: "fault" },
  { type: "line", name: "log", colour: "soft" },
];
const EVENTS_MAX = 400;  // rows of the list at a time

const byId = (id) => document.getElementById(id);
const model = readModel(JSON.parse(byId("data").textContent));
const failed = failedOperation(model);
const hidden = { kinds: new Set(KINDS.filter((kind) => kind.off).map((kind) => kind.type)),
  nodes: new Set() };
let matches = [];
let match = -1;

function isVisible(item) {
  if (hidden.kinds.has(item.chatter ? "chatter" : item.type)) return false;
  if (item.node === null || item.node === undefined) return true;
  return !hidden.nodes.has(item.node);
}

const diagram = new Diagram(byId("diagram"), model, { onView: viewChanged, visible: isVisible });

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// ---- The head ----

function fillHead() {
  const { data } = model;
  document.title = `seed ${data.seed}: ${data.passed ? "pass" : "FAIL"} - scoutfs sim`;
  byId("badge").textContent = data.passed ? "pass" : "FAIL: oracle " + data.oracle;
  byId("badge").classList.toggle("failed", !data.passed);
  byId("seed").textContent = "Seed " + data.seed;
  const sum = (counts) => Object.values(counts).reduce((all, one) => all + one, 0);
  byId("facts").textContent = [`${data.nodes} nodes`, `${formatTime(data.end)} virtual`,
    `${data.operations} operations`,
    `${sum(data.injected)} faults, ${sum(data.noticed)} noticed`, `${data.deaths} deaths`,
    `hash ${data.hash.slice(0, 12)}`, `build ${data.build.slice(0, 12)}`].join(" · ");
  byId("what").textContent = data.passed ? "" : data.what;
  byId("command").textContent = data.command;
  byId("copy").onclick = () => {
    navigator.clipboard?.writeText(data.command);
    byId("copy").textContent = "Copied";
  };
  byId("to-failure").hidden = data.passed;
}

// ---- Lists ----

function entryList(entries) {
  const list = element("ul", { className: "entries" });
  for (const { t, item, text, tone } of entries) {
    const button = element("button", { type: "button" },
      element("span", { className: "time", textContent: formatTime(t).replace(" s", "") }),
      element("span", { className: "who", textContent: nodeName(item.node) }),
      element("span", { className: "text", textContent: text }));
    button.onclick = () => choose(item, button);
    list.append(element("li", { className: tone ?? "" }, button));
  }
  return list;
}

function fillStory() {
  for (const { title, entries } of makeStory(model)) {
    byId("story").append(element("h2", { textContent: title }), entryList(entries));
  }
  if (model.from > 0) {
    byId("story").append(element("p", { className: "hint",
      textContent: `The run is too long for one page: what was over before ${formatTime(model.from)} is left out.` }));
  }
}

function fillEvents() {
  if (byId("events").hidden) return;
  const inView = (item) => item.t0 <= diagram.t1 && item.t1 >= diagram.t0 && isVisible(item);
  const found = (matches.length > 0 ? matches : model.items.filter(inView));
  const head = matches.length > 0 ? `${found.length} matches` :
    `${found.length} in view: ${formatTime(diagram.t0)} to ${formatTime(diagram.t1)}`;
  const more = found.length > EVENTS_MAX ? `, the first ${EVENTS_MAX}` : "";
  byId("events").replaceChildren(element("h2", { textContent: head + more }),
    entryList(found.slice(0, EVENTS_MAX).map((item) => ({ t: item.t0, item, text: item.text,
      tone: item.type === "fault" ? "warn" : undefined }))));
}

function table(heads, rows) {
  const cells = (kind, row) => row.map((cell) => element(kind, {
    textContent: cell, className: typeof cell === "number" || cell === heads[heads.length - 1] ? "number" : "" }));
  return element("table", {}, element("tr", {}, ...cells("th", heads)),
    ...rows.map(({ className, row }) => element("tr", { className }, ...cells("td", row))));
}

function fillVerdict() {
  const { oracles, injected, noticed } = model.data;
  const rank = { failed: 0, ran: 1, "not applicable": 2 };
  const sorted = [...oracles].sort((a, b) => rank[a[1]] - rank[b[1]] || (a[0] < b[0] ? -1 : 1));
  byId("verdict").append(element("h2", { textContent: "Oracles" }),
    table(["oracle", "state", "looked"], sorted.map((row) => ({ row,
      className: row[1] === "failed" ? "failed" : row[1] === "ran" ? "" : "idle" }))),
    element("h2", { textContent: "Faults" }),
    table(["fault", "injected", "noticed"], Object.entries(injected).map(([kind, count]) => ({
      className: "", row: [kind, count, noticed[kind] ?? 0] }))));
}

// ---- Selection ----

// Selects the item and brings it into view.
function choose(item, button = null) {
  select(item);
  diagram.reveal(item);
  for (const other of document.querySelectorAll(".entries .selected")) other.classList.remove("selected");
  button?.classList.add("selected");
}

function select(item) {
  diagram.selected = item;
  const box = byId("detail");
  if (item === null) {
    box.replaceChildren();
    return;
  }
  const facts = [["who", nodeName(item.node)], ["from", formatTime(item.t0)]];
  if (item.type === "message" && item.open) facts.push(["arrives", "not before the end"]);
  else if (item.open) facts.push(["ends", "not before the end"]);
  else if (item.t1 > item.t0) facts.push(["to", formatTime(item.t1)], ["lasts", formatDuration(item.t1 - item.t0)]);
  if (item.type === "op") {
    facts.push(["life", item.life], ["inodes", item.inodes.join(", ") || "none"]);
    if (item.effect !== null) facts.push(["takes effect", formatTime(item.effect)]);
    if (item.txn > 0) facts.push(["transaction", item.txn]);
  }
  if (!model.data.passed) facts.push(["before the failure", formatDuration(model.data.end - item.t0)]);
  box.replaceChildren(element("h3", { textContent: item.text }), element("dl", {},
    ...facts.map(([name, value]) => element("div", {}, element("dt", { textContent: name }),
      element("dd", { className: "mono", textContent: value })))));
}

// ---- Search ----

function search(text) {
  const wanted = text.trim().toLowerCase();
  matches = wanted === "" ? [] : model.items.filter((item) => isVisible(item) && item.search.includes(wanted));
  match = -1;
  diagram.matches = wanted === "" ? null : new Set(matches);
  byId("matches").textContent = wanted === "" ? "" : `${matches.length} found`;
  diagram.draw();
  fillEvents();
}

function nextMatch(step) {
  if (matches.length === 0) return;
  match = (match + step + matches.length) % matches.length;
  byId("matches").textContent = `${match + 1} of ${matches.length}`;
  choose(matches[match]);
}

// ---- Filters ----

function fillFilters() {
  const toggle = (label, swatch, set, key) => {
    const box = element("input", { type: "checkbox", checked: !set.has(key) });
    box.dataset.filter = label;
    box.onchange = () => {
      if (box.checked) set.delete(key); else set.add(key);
      search(byId("search").value);
      drawOverview();
    };
    const mark = element("span", { className: "swatch" });
    if (swatch !== null) mark.style.background = `var(--${swatch})`;
    return element("label", {}, box, ...(swatch === null ? [] : [mark]), label);
  };
  const bar = byId("filters");
  for (const kind of KINDS) bar.append(toggle(kind.name, kind.colour, hidden.kinds, kind.type));
  bar.append(element("span", { className: "gap" }));
  for (let node = 0; node < model.nodes; ++node) {
    bar.append(toggle(nodeName(node), null, hidden.nodes, node));
  }
}

// ---- The whole run ----

function drawOverview() {
  const canvas = byId("overview"), ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth, height = 34;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const g = canvas.getContext("2d");
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  const x = (time) => time / model.end * width;
  const lane = (height - 4) / model.nodes;
  const rectangle = (item, y, size, colour) => {
    g.fillStyle = diagram.colour(colour);
    g.fillRect(x(item.t0), y, Math.max(1, x(item.t1) - x(item.t0)), size);
  };
  for (const life of model.lives) rectangle(life, 2 + life.node * lane + lane / 2 - 1, 2, "life");
  for (const leader of model.leaders) rectangle(leader, 2 + leader.node * lane + lane / 2 - 2, 3, "leader");
  for (const op of model.ops) rectangle(op, 2 + op.node * lane + lane / 2 + 1, lane / 3, "op");
  for (const fault of model.faults) {
    g.fillStyle = diagram.colour("fault");
    g.fillRect(x(fault.t0), 0, 1.5, height);
  }
  g.strokeStyle = diagram.colour("accent");
  g.fillStyle = diagram.colour("accent");
  g.globalAlpha = 0.15;
  const left = x(diagram.t0), right = x(diagram.t1);
  g.fillRect(left, 0, Math.max(3, right - left), height);
  g.globalAlpha = 1;
  g.lineWidth = 1.5;
  g.strokeRect(left, 0.75, Math.max(3, right - left), height - 1.5);
}

function viewChanged() {
  drawOverview();
  fillEvents();
}

function showFailure() {
  const { end } = model.data;
  const length = failed === null ? 0 : end - failed.t0;
  const span = Math.min(Math.max(length * 4, 50000), 2000000);
  diagram.show(end - span * 0.92, end + span * 0.08);
}

// ---- What the user does ----

function watchPointer() {
  const canvas = byId("diagram"), tip = byId("tip");
  let drag = null;
  canvas.onwheel = (event) => {
    if (event.shiftKey) return;
    event.preventDefault();
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) return diagram.move(event.deltaX / 800);
    diagram.zoom(1.0015 ** event.deltaY, diagram.time(event.offsetX));
  };
  canvas.onpointerdown = (event) => {
    drag = { x: event.offsetX, t0: diagram.t0, t1: diagram.t1, moved: false };
    canvas.setPointerCapture(event.pointerId);
  };
  canvas.onpointermove = (event) => {
    diagram.cursor = diagram.time(event.offsetX);
    if (drag !== null && Math.abs(event.offsetX - drag.x) > 3) drag.moved = true;
    if (drag?.moved) {
      canvas.classList.add("dragging");
      const by = (event.offsetX - drag.x) / (diagram.width - GUTTER) * (drag.t1 - drag.t0);
      tip.hidden = true;
      return diagram.show(drag.t0 - by, drag.t1 - by);
    }
    const item = diagram.at(event.offsetX, event.offsetY);
    diagram.draw();
    tip.hidden = item === null;
    if (item === null) return;
    tip.replaceChildren(element("b", { textContent: nodeName(item.node) + " " }), item.text,
      element("div", { textContent: formatTime(item.t0) + (item.t1 > item.t0 ? ", " + formatDuration(item.t1 - item.t0) : "") }));
    tip.style.left = Math.max(4, Math.min(event.offsetX + 14, diagram.width - tip.offsetWidth - 6)) + "px";
    tip.style.top = event.offsetY + 16 + "px";
  };
  canvas.onpointerup = (event) => {
    canvas.classList.remove("dragging");
    if (drag !== null && !drag.moved) {
      select(diagram.at(event.offsetX, event.offsetY));
      diagram.draw();
    }
    drag = null;
  };
  canvas.onpointerleave = () => {
    tip.hidden = true;
    diagram.cursor = null;
    diagram.draw();
  };
  byId("overview").onpointerdown = (event) => {
    const middle = event.offsetX / byId("overview").clientWidth * model.end;
    const half = (diagram.t1 - diagram.t0) / 2;
    diagram.show(middle - half, middle + half);
  };
}

function watchKeys() {
  const keys = { "+": () => diagram.zoom(0.5), "=": () => diagram.zoom(0.5),
    "-": () => diagram.zoom(2), "0": () => diagram.show(0, model.end),
    f: () => { if (!model.data.passed) showFailure(); },
    ArrowLeft: () => diagram.move(-0.2), ArrowRight: () => diagram.move(0.2),
    "/": () => byId("search").focus() };
  document.onkeydown = (event) => {
    if (event.target === byId("search") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (keys[event.key] === undefined) return;
    event.preventDefault();
    keys[event.key]();
  };
  byId("search").onkeydown = (event) => {
    if (event.key === "Enter") nextMatch(event.shiftKey ? -1 : 1);
    if (event.key === "Escape") { byId("search").value = ""; search(""); byId("diagram").focus(); }
  };
  byId("search").oninput = () => search(byId("search").value);
  byId("next").onclick = () => nextMatch(1);
  byId("previous").onclick = () => nextMatch(-1);
  byId("zoom-in").onclick = keys["+"];
  byId("zoom-out").onclick = keys["-"];
  byId("fit").onclick = keys["0"];
  byId("to-failure").onclick = keys.f;
}

function openTab(name) {
  for (const tab of document.querySelectorAll("[role=tab]")) {
    tab.setAttribute("aria-selected", String(tab.dataset.tab === name));
    byId(tab.dataset.tab).hidden = tab.dataset.tab !== name;
  }
  fillEvents();
}

for (const tab of document.querySelectorAll("[role=tab]")) tab.onclick = () => openTab(tab.dataset.tab);
fillHead();
fillFilters();
fillStory();
fillVerdict();
openTab("story");
watchPointer();
watchKeys();
window.onresize = () => { diagram.resize(); drawOverview(); };
matchMedia("(prefers-color-scheme: dark)").onchange = () => { diagram.readColours(); diagram.draw(); drawOverview(); };
diagram.resize();
if (model.data.passed) diagram.show(0, model.end); else showFailure();
if (failed !== null) { select(failed); diagram.draw(); }
