// The space-time diagram: time runs to the right, nodes and the disk are lanes. Knows what is drawn
// where; nothing of the rest of the page.

const GUTTER = 62, RULER = 24, DISK_LANE = 34, LANE_MIN = 102;
const ROW = 10, LOCK_ROW = 5;  // heights of the bars of an operation and of a lock
const WINDOW_MIN = 20;   // microseconds

class Diagram {
  // onView: the window has changed. visible: says which items are to be drawn.
  constructor(canvas, model, { onView, visible }) {
    this.canvas = canvas;
    this.model = model;
    this.onView = onView;
    this.visible = visible;
    this.t0 = 0;
    this.t1 = model.end;
    this.selected = null;
    this.matches = null;  // null: nothing is searched for
    this.cursor = null;   // time under the pointer
    this.shapes = [];
    this.rows = new Map();  // of items that overlap: which row of their lane
    this.assignRows(model.ops, 3);
    this.assignRows(model.locks, 4);
    this.readColours();
  }

  readColours() {
    const style = getComputedStyle(document.documentElement);
    this.colour = (name) => style.getPropertyValue("--" + name).trim();
  }

  // Items of one node that overlap get rows of their own, as far as there are rows.
  assignRows(items, rowCount) {
    const ends = new Map();
    for (const item of items) {
      const taken = ends.get(item.node) ?? new Array(rowCount).fill(-1);
      ends.set(item.node, taken);
      let row = taken.findIndex((end) => end <= item.t0);
      if (row < 0) row = taken.indexOf(Math.min(...taken));
      taken[row] = item.t1;
      this.rows.set(item, row);
    }
  }

  // ---- The window ----

  show(t0, t1) {
    const span = Math.min(Math.max(t1 - t0, WINDOW_MIN), this.model.end * 1.04);
    const middle = (t0 + t1) / 2;
    const margin = this.model.end * 0.02;
    const low = Math.max(-margin, Math.min(middle - span / 2, this.model.end + margin - span));
    this.t0 = low;
    this.t1 = low + span;
    this.onView();
    this.draw();
  }
  zoom(factor, around = (this.t0 + this.t1) / 2) {
    this.show(around - (around - this.t0) * factor, around + (this.t1 - around) * factor);
  }
  move(part) {
    const by = (this.t1 - this.t0) * part;
    this.show(this.t0 + by, this.t1 + by);
  }
  // The item in the middle, and as much around it as lets one see it.
  reveal(item) {
    const length = item.t1 - item.t0;
    const span = Math.max(length * 3, Math.min(this.t1 - this.t0, 100000), 200);
    const middle = item.t0 + Math.min(length, span) / 2;
    this.show(middle - span / 2, middle + span / 2);
  }
  x(time) { return GUTTER + (time - this.t0) / (this.t1 - this.t0) * (this.width - GUTTER); }
  time(x) { return this.t0 + (x - GUTTER) / (this.width - GUTTER) * (this.t1 - this.t0); }

  // ---- Geometry ----

  resize() {
    const ratio = window.devicePixelRatio || 1;
    const box = this.canvas.parentElement;
    this.width = box.clientWidth;
    this.height = Math.max(box.clientHeight - 2,
      RULER + DISK_LANE + this.model.nodes * LANE_MIN);
    this.lane = (this.height - RULER - DISK_LANE) / this.model.nodes;
    this.canvas.style.height = this.height + "px";
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    this.canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
    this.draw();
  }
  top(node) { return RULER + node * this.lane; }
  spine(node) { return this.top(node) + 22; }
  get disk() { return this.height - 14; }

  // ---- Drawing ----

  draw() {
    const g = this.canvas.getContext("2d");
    this.g = g;
    this.shapes = [];
    this.flags = new Map();  // by lane: where the name of its last fault ends
    g.clearRect(0, 0, this.width, this.height);
    g.font = "12px system-ui, 'DejaVu Sans', sans-serif";
    g.textBaseline = "middle";
    g.save();
    g.beginPath();
    g.rect(GUTTER, 0, this.width - GUTTER, this.height);
    g.clip();
    this.drawRuler();
    const shown = (items) => items.filter((item) => item.t1 >= this.t0 && item.t0 <= this.t1 &&
      this.visible(item));
    for (const item of shown(this.model.faults)) this.drawBand(item);
    for (const item of shown(this.model.messages)) this.drawMessage(item);
    for (const item of shown(this.model.writes)) this.drawWrite(item);
    for (const item of shown(this.model.lives)) this.drawLife(item);
    for (const item of shown(this.model.leaders)) this.drawLeader(item);
    for (const item of shown(this.model.ops)) this.drawOperation(item);
    for (const item of shown(this.model.locks)) this.drawLock(item);
    for (const item of shown(this.model.lines)) this.drawLine(item);
    for (const item of shown(this.model.faults)) this.drawFault(item);
    this.drawFailure();
    this.drawCursor();
    g.restore();
    this.drawGutter();
  }

  // 0.2 of what is searched for in vain, else 1.
  strength(item) {
    return this.matches === null || this.matches.has(item) ? 1 : 0.2;
  }
  isMarked(item) { return item === this.selected || (this.matches?.has(item) ?? false); }
  mark(item) { return this.colour(item === this.selected ? "select" : "match"); }

  drawRuler() {
    const g = this.g;
    const step = this.tick();
    g.strokeStyle = this.colour("line");
    g.fillStyle = this.colour("soft");
    g.lineWidth = 1;
    g.textAlign = "left";
    for (let t = Math.ceil(this.t0 / step) * step; t <= this.t1; t += step) {
      const x = Math.round(this.x(t)) + 0.5;
      g.beginPath();
      g.moveTo(x, RULER - 6);
      g.lineTo(x, this.height);
      g.stroke();
      g.fillText(this.tickText(t, step), x + 3, 10);
    }
  }
  // The time between two marks: 1, 2 or 5 times a power of ten.
  tick() {
    const about = (this.t1 - this.t0) / Math.max(2, (this.width - GUTTER) / 110);
    const power = 10 ** Math.floor(Math.log10(about));
    const step = [1, 2, 5, 10].find((times) => times * power >= about) * power;
    return Math.max(1, step);
  }
  tickText(t, step) {
    const digits = Math.max(0, Math.min(6, 6 - Math.floor(Math.log10(step) + 1e-9)));
    return (t / 1e6).toFixed(digits) + " s";
  }

  drawGutter() {
    const g = this.g;
    g.clearRect(0, 0, GUTTER, this.height);
    g.textAlign = "left";
    g.font = "600 12px system-ui, 'DejaVu Sans', sans-serif";
    for (let node = 0; node < this.model.nodes; ++node) {
      g.fillStyle = this.colour("ink");
      g.fillText(nodeName(node), 10, this.spine(node));
      g.strokeStyle = this.colour("line");
      g.beginPath();
      g.moveTo(0, Math.round(this.top(node)) + 0.5);
      g.lineTo(this.width, Math.round(this.top(node)) + 0.5);
      g.stroke();
    }
    g.fillStyle = this.colour("disk");
    g.fillText("disk", 10, this.disk);
    g.fillRect(GUTTER, this.disk - 2, this.width - GUTTER, 3);
  }

  bar(item, y, height, colour) {
    const g = this.g;
    const x = Math.max(this.x(item.t0), GUTTER - 4);
    const width = Math.max(1.5, Math.min(this.x(item.t1), this.width + 4) - x);
    g.globalAlpha = this.strength(item);
    g.fillStyle = colour;
    g.fillRect(x, y, width, height);
    if (this.isMarked(item)) {
      g.strokeStyle = this.mark(item);
      g.lineWidth = 1.5;
      g.strokeRect(x - 1, y - 1, width + 2, height + 2);
    }
    g.globalAlpha = 1;
    this.shapes.push({ item, x, y, width, height });
    return width;
  }
  // Text in a bar, as far as there is room.
  label(text, x, y, width) {
    if (width < 30) return;
    const g = this.g;
    g.save();
    g.beginPath();
    g.rect(x, y - 8, width - 3, 16);
    g.clip();
    g.font = "9.5px system-ui, 'DejaVu Sans', sans-serif";
    g.textAlign = "left";
    g.fillText(text, Math.max(x, GUTTER) + 3, y);
    g.restore();
  }

  drawLife(item) {
    const y = this.spine(item.node) - 4;
    const serves = item.serves ?? item.t1;
    this.g.fillStyle = this.colour("starting");
    this.bar(item, y, 8, this.colour("starting"));
    const x = Math.max(this.x(serves), GUTTER - 4);
    this.g.globalAlpha = this.strength(item);
    this.g.fillStyle = this.colour("life");
    this.g.fillRect(x, y, Math.max(0, Math.min(this.x(item.t1), this.width) - x), 8);
    if (item.how === "dies") {
      const end = this.x(item.t1);
      this.g.strokeStyle = this.colour("fault");
      this.g.lineWidth = 2;
      this.g.beginPath();
      for (const sign of [-1, 1]) {
        this.g.moveTo(end - 4, y + 4 - sign * 6);
        this.g.lineTo(end + 4, y + 4 + sign * 6);
      }
      this.g.stroke();
    }
    this.g.globalAlpha = 1;
  }
  drawLeader(item) { this.bar(item, this.spine(item.node) - 8, 3, this.colour("leader")); }

  drawOperation(item) {
    const y = this.spine(item.node) + 9 + this.rows.get(item) * (ROW + 2);
    const width = this.bar(item, y, ROW, this.colour(item.failed ? "op-failed" : "op"));
    if (item.effect !== null && width > 6) {
      this.g.fillStyle = this.colour("panel");
      this.g.fillRect(this.x(item.effect) - 0.75, y, 1.5, ROW);
    }
    this.g.fillStyle = this.colour("panel");
    this.label(item.call, this.x(item.t0), y + ROW / 2 + 0.5, width);
  }
  drawLock(item) {
    const y = this.spine(item.node) + 48 + this.rows.get(item) * (LOCK_ROW + 1);
    this.bar(item, y, LOCK_ROW, this.colour(item.mode === "write" ? "write" : "read"));
  }
  drawLine(item) {
    if (item.node === null) return;
    const x = this.x(item.t0), y = this.spine(item.node) - 14;
    this.g.globalAlpha = this.strength(item);
    this.g.fillStyle = this.isMarked(item) ? this.mark(item) : this.colour("soft");
    this.g.fillRect(x - 1, y - 2, 2, 5);
    this.g.globalAlpha = 1;
    this.shapes.push({ item, x: x - 3, y: y - 3, width: 6, height: 7 });
  }

  slope(item, x0, y0, x1, y1, colour, strong) {
    const g = this.g;
    g.globalAlpha = this.strength(item) * (strong || this.isMarked(item) ? 0.95 : 0.55);
    g.strokeStyle = this.isMarked(item) ? this.mark(item) : colour;
    g.lineWidth = this.isMarked(item) ? 2 : 1;
    g.beginPath();
    g.moveTo(x0, y0);
    g.lineTo(x1, y1);
    g.stroke();
    g.globalAlpha = 1;
    this.shapes.push({ item, line: [x0, y0, x1, y1] });
  }
  drawMessage(item) {
    const y0 = this.spine(item.node), x0 = this.x(item.t0);
    const colour = this.colour(item.chatter ? "chatter" : "message");
    // To itself: a slight dip.
    const y1 = item.node === item.other ? y0 + 9 : this.spine(item.other);
    if (!item.open) return this.slope(item, x0, y0, this.x(item.t1), y1, colour, false);
    // It was lost, or is still on its way: a stump with a stop.
    const end = y0 + Math.sign(y1 - y0) * 18;
    this.slope(item, x0, y0, x0 + 8, end, this.colour("fault"), true);
    this.g.fillStyle = this.colour("fault");
    this.g.fillRect(x0 + 6, end - 1.5, 4, 3);
  }
  drawWrite(item) {
    const colour = this.colour(item.failed || item.late !== null ? "fault" :
      item.chatter ? "chatter" : "disk");
    const end = item.open ? this.x(item.t0) + 6 : this.x(item.t1);
    this.slope(item, this.x(item.t0), this.spine(item.node), end, this.disk, colour, item.failed);
  }

  lanesOf(fault) {
    if (fault.node === null) return [0, this.model.nodes - 1];
    const other = fault.other ?? fault.node;
    return [Math.min(fault.node, other), Math.max(fault.node, other)];
  }
  drawBand(item) {
    const [first, last] = this.lanesOf(item);
    this.g.fillStyle = this.colour("fault-band");
    const x = this.x(item.t0);
    this.g.fillRect(x, this.top(first), Math.max(2, this.x(item.t1) - x),
      this.top(last + 1) - this.top(first));
  }
  drawFault(item) {
    const g = this.g;
    const [first, last] = this.lanesOf(item);
    const x = this.x(item.t0), y = this.top(first) + 1;
    g.globalAlpha = this.strength(item);
    g.strokeStyle = g.fillStyle = this.isMarked(item) ? this.mark(item) : this.colour("fault");
    g.lineWidth = this.isMarked(item) ? 2.5 : 1.5;
    g.beginPath();
    g.moveTo(x, y);
    g.lineTo(x, this.top(last + 1) - 1);
    g.stroke();
    g.beginPath();
    g.moveTo(x, y);
    g.lineTo(x + 9, y + 4.5);
    g.lineTo(x, y + 9);
    g.fill();
    g.textAlign = "left";
    g.font = "11px system-ui, 'DejaVu Sans', sans-serif";
    // Names of faults that are close together would hide each other.
    if (x + 11 >= (this.flags.get(first) ?? 0)) {
      g.fillText(item.kind, x + 11, y + 6);
      this.flags.set(first, x + 17 + g.measureText(item.kind).width);
    }
    g.globalAlpha = 1;
    this.shapes.push({ item, x: x - 3, y, width: 14, height: this.top(last + 1) - y, weak: true });
  }
  drawFailure() {
    if (this.model.data.passed) return;
    const g = this.g, x = this.x(this.model.data.end);
    g.strokeStyle = g.fillStyle = this.colour("bad");
    g.lineWidth = 2;
    g.beginPath();
    g.moveTo(x, RULER - 6);
    g.lineTo(x, this.height);
    g.stroke();
    g.font = "600 11px system-ui, 'DejaVu Sans', sans-serif";
    g.textAlign = "right";
    g.fillText("failure", x - 4, RULER + 6);
  }
  drawCursor() {
    if (this.cursor === null) return;
    const g = this.g, x = this.x(this.cursor);
    g.strokeStyle = this.colour("soft");
    g.lineWidth = 1;
    g.setLineDash([3, 3]);
    g.beginPath();
    g.moveTo(x, 0);
    g.lineTo(x, this.height);
    g.stroke();
    g.setLineDash([]);
  }

  // ---- What is where ----

  // The item at a point of the canvas, or null.
  at(x, y) {
    const near = 5;
    let best = null, distance = near;
    for (const shape of this.shapes) {
      let away;
      if (shape.line) {
        away = distanceToLine(x, y, ...shape.line) + 0.5;
      } else {
        const dx = Math.max(shape.x - x, 0, x - shape.x - shape.width);
        const dy = Math.max(shape.y - y, 0, y - shape.y - shape.height);
        away = Math.hypot(dx, dy) + (shape.weak ? 1 : 0);
      }
      if (away <= distance) { best = shape.item; distance = away; }
    }
    return best;
  }
  // Where an item was drawn last, for who wants to point at it; null if it was not.
  placeOf(item) {
    const shape = this.shapes.find((one) => one.item === item);
    if (shape === undefined) return null;
    if (shape.line) {
      const [x0, y0, x1, y1] = shape.line;
      return { x: (x0 + x1) / 2, y: (y0 + y1) / 2 };
    }
    return { x: shape.x + shape.width / 2, y: shape.y + shape.height / 2 };
  }
}

function distanceToLine(x, y, x0, y0, x1, y1) {
  const dx = x1 - x0, dy = y1 - y0;
  const length = dx * dx + dy * dy;
  const part = length === 0 ? 0 : ((x - x0) * dx + (y - y0) * dy) / length;
  const along = Math.max(0, Math.min(1, part));
  return Math.hypot(x - x0 - along * dx, y - y0 - along * dy);
}
