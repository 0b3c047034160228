// What of a run explains its verdict, in the order in which a person would want to know it.

// The operation that the verdict is about; null if it is about none.
function failedOperation(model) {
  const { passed, what } = model.data;
  if (passed) return null;
  const about = /node(\d+) \(life (\d+)\): /.exec(what);
  if (about === null) return null;
  const candidates = model.ops.filter((op) => op.node === Number(about[1]) &&
    op.life === Number(about[2]) && what.includes(op.call));
  return candidates.length === 0 ? null : candidates[candidates.length - 1];
}

// Faults, deaths, starts, changes of the leader, and writes that went wrong.
function turningPoints(model) {
  const points = [];
  const tell = (t, item, text, tone) => points.push({ t, item, text, tone });
  for (const fault of model.faults) tell(fault.t0, fault, fault.text, "warn");
  for (const life of model.lives) {
    tell(life.t0, life, `life ${life.life} begins`);
    if (!life.open) tell(life.t1, life, `life ${life.life} ${life.how}`,
      life.how === "dies" ? "warn" : undefined);
  }
  for (const leader of model.leaders) {
    tell(leader.t0, leader, "begins to lead");
    if (!leader.open) tell(leader.t1, leader, "leads no longer");
  }
  for (const write of model.writes) {
    if (write.late !== null) tell(write.late, write, write.text, "warn");
    else if (write.failed) tell(write.t0, write, write.text);
  }
  return points.sort((a, b) => a.t - b.t || a.item.id - b.item.id);
}

// A write, and what made it durable: itself, or the first flush that ended after it.
function fateOfWrite(model, write) {
  const length = write.open ? "" : `, in ${formatDuration(write.t1 - write.t0)}`;
  const told = [{ t: write.t0, item: write, text: write.text + length,
    tone: write.failed || write.open ? "bad" : undefined }];
  if (write.durable || write.failed || write.open) return told;
  const flush = model.lines.find((line) => line.text === "flushed" && line.t0 > write.t1);
  told.push(flush === undefined ?
    { t: model.data.end, item: write, text: "no flush has ended since", tone: "bad" } :
    { t: flush.t0, item: flush, text: "flushed" });
  return told;
}

// Writes of the blocks that the verdict names.
function writesOfNamedBlocks(model) {
  const named = [...model.data.what.matchAll(/(?:segment|block|extent)s? (?:at )?(\d+)/g)]
    .map((match) => Number(match[1]));
  return model.writes.filter((write) => named.some((block) =>
    write.first <= block && block < write.first + write.blocks));
}

function newest(list, count) {
  return list.slice(Math.max(0, list.length - count));
}

// [{ title, entries: [{ t, item, text, tone }] }]
function makeStory(model) {
  const sections = [];
  const add = (title, entries) => { if (entries.length > 0) sections.push({ title, entries }); };
  const failed = failedOperation(model);
  const entry = (item, tone) => ({ t: item.t0, item, text: item.text, tone });
  if (failed !== null) {
    const steps = [{ t: failed.t0, item: failed, text: "calls " + failed.call }];
    if (failed.effect !== null) steps.push({ t: failed.effect, item: failed,
      text: failed.txn > 0 ? `takes effect in transaction ${failed.txn}` : "takes effect" });
    if (!failed.open) steps.push({ t: failed.t1, item: failed, tone: "bad",
      text: `oracle ${model.data.oracle} says no to its answer` });
    add("What failed", steps);
    const inodes = new Set(failed.inodes);
    const related = model.ops.filter((op) => op !== failed && op.t0 <= failed.t1 &&
      op.inodes.some((inode) => inodes.has(inode)));
    add("The same inodes before", newest(related, 10).map((op) => entry(op)));
    const locks = new Set(failed.inodes.map(lockOf));
    const holds = model.locks.filter((lock) => locks.has(lock.lock) && lock.t0 <= failed.t1);
    add("Who held " + [...locks].join(", "), newest(holds, 8).map((lock) => ({ t: lock.t0,
      item: lock, text: `holds ${lock.lock} for ${lock.mode}${lock.open ? "" : ", for " + formatDuration(lock.t1 - lock.t0)}` })));
  } else if (!model.data.passed) {
    const waiting = model.ops.filter((op) => op.open &&
      model.lives.some((life) => life.open && life.life === op.life));
    add("Still waiting at the end", newest(waiting, 12).map((op) => entry(op, "bad")));
    add("Writes of the blocks it names", newest(writesOfNamedBlocks(model), 8)
      .flatMap((write) => fateOfWrite(model, write)));
  }
  const points = turningPoints(model);
  add(model.data.passed ? "What was done to the cluster" : "What was done to the cluster before",
    newest(points, model.data.passed ? 200 : 14));
  const lines = model.lines.filter((line) => !/^(flushed|connects to)/.test(line.text));
  add(model.data.passed ? "What the engine said last" : "What the engine said before",
    newest(lines, 12).map((line) => entry(line)));
  return sections;
}
