"use strict";
// The run as a list of items. Times are microseconds of virtual time; what never ended is `open` and
// goes on to the end of the run, a call only to the end of its life. sim/explain/page.cpp writes the rows that are read here.

// Messages that come all the time and seldom explain anything; so do writes of quorum blocks.
const CHATTER = new Set(["heartbeat", "heartbeat-answer", "lease-request", "lease-answer",
  "acknowledgement", "voter-beat", "voter-answer", "bound-request", "bound-answer", "list-request",
  "list-answer"]);
const GROUP_SIZE = 1024;  // inodes under one lock

function nodeName(node) {
  return node === null || node === undefined ? "world" : "node" + node;
}

// "21.069577 s"
function formatTime(micros) {
  const sign = micros < 0 ? "-" : "";
  const all = Math.abs(Math.round(micros));
  return sign + Math.floor(all / 1e6) + "." + String(all % 1e6).padStart(6, "0") + " s";
}

// "35 µs", "12.4 ms", "3.2 s"
function formatDuration(micros) {
  if (micros < 1000) return Math.round(micros) + " µs";
  if (micros < 1e6) return (micros / 1000).toFixed(micros < 1e4 ? 2 : 1) + " ms";
  return (micros / 1e6).toFixed(2) + " s";
}

function lockOf(inode) {
  return "group " + Math.floor(inode / GROUP_SIZE);
}

function readModel(data) {
  const word = (number) => data.words[number];
  const items = [];
  const add = (item, lastly = data.end) => {
    item.open = item.t1 === null;
    if (item.open) item.t1 = lastly;
    item.id = items.length;
    item.search = (nodeName(item.node) + " " + item.kind + " " + item.text).toLowerCase();
    items.push(item);
  };
  const endOfLife = new Map();
  for (const [node, life, t0, serves, t1, how] of data.lives) {
    endOfLife.set(life, t1 ?? data.end);
    const end = t1 === null ? "lives to the end" : how;
    add({ type: "life", node, life, t0, serves, t1, how, kind: "life",
      text: `life ${life} ${end}` });
  }
  for (const [node, t0, t1] of data.leaders) {
    add({ type: "leader", node, t0, t1, kind: "leader", text: "leads" });
  }
  for (const [t0, lasts, kind, node, other] of data.faults) {
    const whom = other !== null ? `node${node} and node${other}` :
      node !== null ? nodeName(node) : "everybody";
    const time = lasts > 0 ? ` for ${formatDuration(lasts)}` : "";
    add({ type: "fault", node, other, t0, t1: Math.min(t0 + lasts, data.end), kind,
      text: `${kind}: ${whom}${time}` });
  }
  for (const [node, life, kind, t0, effect, t1, text, result, inodes, txn] of data.ops) {
    const answer = t1 === null ? "no answer" : word(result);
    add({ type: "op", node, life, t0, effect, t1, kind: word(kind), call: text, txn,
      inodes: [...new Set(inodes)], failed: t1 !== null && answer !== "success",
      text: `${text}: ${answer}` }, endOfLife.get(life));
  }
  for (const [node, other, kind, t0, t1, text] of data.messages) {
    const name = word(kind), more = word(text);
    add({ type: "message", node, other, t0, t1, kind: name, chatter: CHATTER.has(name),
      text: `${name} to node${other}${more === "" ? "" : ": " + more}` });
  }
  for (const [node, lock, mode, t0, t1, grant] of data.locks) {
    add({ type: "lock", node, lock: word(lock), mode: word(mode), t0, t1, kind: "lock",
      text: `holds ${word(lock)} for ${word(mode)}, grant ${grant}` });
  }
  for (const [node, first, count, t0, t1, failed, durable, late] of data.writes) {
    const how = failed ? ", fails" : late !== null ? ", lands late" :
      t1 === null ? ", never answered" : "";
    const quorum = first >= data.quorum[0] && first < data.quorum[0] + data.quorum[1];
    add({ type: "write", node, first, blocks: count, durable,
      chatter: quorum && !failed && late === null, t0, t1: late !== null ? late : t1, failed, late, kind: "write",
      text: `writes ${count} blocks at ${first}${durable ? ", durably" : ""}${how}` });
  }
  for (const [t0, node, text] of data.lines) {
    add({ type: "line", node, t0, t1: t0, kind: "log", text: word(text).replace(/^log: /, "") });
  }
  items.sort((a, b) => a.t0 - b.t0 || a.id - b.id);
  items.forEach((item, index) => { item.id = index; });
  const of = (type) => items.filter((item) => item.type === type);
  return { data, items, from: data.from, end: Math.max(data.end, 1), nodes: data.nodes,
    lives: of("life"), leaders: of("leader"), faults: of("fault"), ops: of("op"),
    messages: of("message"), locks: of("lock"), writes: of("write"), lines: of("line") };
}
