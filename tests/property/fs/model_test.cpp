// Random operations of several nodes at once, judged by the simulator's model at the instants
// that the filesystem names, over the strict store in memory.
#include "sim/judge.hpp"
#include "sim/workloads/random_posix.hpp"
#include "tests/support/fs_cluster.hpp"
#include "tests/test.hpp"

namespace scoutfs::fs {
namespace {

using sim::Judge;
using testing::FsCluster;

struct Shape {
  std::uint64_t seed = 1;
  std::uint64_t nodes = 2;
  std::uint64_t operations = 300;
  std::uint64_t blocks = 16384;
  std::uint64_t file_bytes = 20'000;
  std::uint64_t suspend_one_in = 4;
  std::uint64_t commit_one_in = 6;
  std::uint64_t fragment_one_in = 3;
  bool only_names = false;
};

class Run {
 public:
  explicit Run(const Shape& shape)
      : cluster_({shape.nodes, shape.blocks, shape.seed, {}}),
        judge_(events_, trace_, board_, 0755),
        plan_(plan_of(shape)),
        draws_(shape.seed, sim::Stream::workload),
        workload_({.plan = plan_, .board = board_, .fates = fates_, .random = draws_}, draws_),
        scope_(cluster_.world.scheduler) {
    cluster_.volume.suspend_one_in = shape.suspend_one_in;
    cluster_.volume.commit_one_in = shape.commit_one_in;
    cluster_.volume.fragment_one_in = shape.fragment_one_in;
    const bool tight = shape.blocks < 1000;
    judge_.set_was_full([tight](TimeNs) { return tight; });
  }

  // What is wrong; empty if nothing is.
  std::string go() {
    for (std::size_t node = 0; node < cluster_.systems.size(); ++node) {
      cluster_.fs(node).start();
      for (int worker = 0; worker < 2; ++worker) scope_.spawn(work(this, node));
    }
    cluster_.world.run(scope_.drain());
    for (const auto& system : cluster_.systems) system->check_invariants();
    // Two rounds of the orphan scan: what one node left another finds.
    cluster_.volume.suspend_one_in = 0;
    for (int second = 0; second < 30; ++second) {
      for (const auto& store : cluster_.stores) store->commit();
      cluster_.tick();
    }
    if (board_.failed()) return board_.failure()->oracle + ": " + board_.failure()->what;
    for (const std::string& line : testing::check_tree(cluster_.volume)) return line;
    return leaks();
  }

 private:
  static sim::Plan plan_of(const Shape& shape) {
    sim::Plan plan;
    plan.operations = shape.operations;
    plan.file_bytes = shape.file_bytes;
    plan.value_bytes = shape.seed % 3 == 0 ? 60'000 : 200;
    plan.names = 4;
    plan.weights.fill(2);
    for (std::size_t i = 0; shape.only_names && i < sim::kOpKinds; ++i) {
      const auto kind = static_cast<sim::OpKind>(i);
      plan.weights[i] = kind == sim::OpKind::rename ? 12 : 2;
      if (kind >= sim::OpKind::read) plan.weights[i] = 0;
    }
    return plan;
  }

  // After everything was closed no inode without a name and no block without a file is left.
  std::string leaks() {
    for (const auto& [key, value] : cluster_.volume.items) {
      if (format::parse_key(key)->zone == format::Zone::orphan) return "an orphan was left";
    }
    for (const auto& store : cluster_.stores) store->commit();
    const std::uint64_t free = cluster_.volume.free_blocks();
    if (free + cluster_.volume.used.size() + 1 != cluster_.volume.block_count) {
      return "blocks were lost";
    }
    return {};
  }

  static Task<void> work(Run* self, std::size_t node) {
    const sim::Life life = node + 1;
    FileSystem& fs = self->cluster_.fs(node);
    sim::Handles handles, others;
    sim::SimRandom& random = self->draws_;
    while (self->called_ < self->plan_.operations && !self->board_.failed()) {
      ++self->called_;
      sim::WorkloadCall drawn;
      drawn.op = self->workload_.draw(drawn.caller, handles);
      const sim::Operation& op = drawn.op;
      Judge::Call call(self->judge_, life, static_cast<unsigned>(node), op);
      Context context;
      context.uid = op.uid;
      context.gid = op.gid;
      context.witness = &call;
      const sim::Outcome outcome = co_await sim::run_operation(fs, context, op);
      call.finish(outcome);
      self->workload_.answered(drawn, outcome);
      const bool opens = op.kind == sim::OpKind::open || op.kind == sim::OpKind::create_open;
      if (opens && outcome.attributes.has_value()) {
        // Only files are drawn from the handles: data operations want nothing else.
        const bool regular = outcome.attributes->inode.is_regular();
        (regular ? handles : others).push_back({.ino = outcome.attributes->ino});
      }
      if (!others.empty() && random.chance(1, 4)) self->close(fs, life, others);
      if (handles.size() > 3 || (!handles.empty() && random.chance(1, 8))) {
        self->close(fs, life, handles);
      }
      co_await Sleep(self->cluster_.world.scheduler, random.below(3) * kMillisecond);
    }
    while (!handles.empty()) self->close(fs, life, handles);
    while (!others.empty()) self->close(fs, life, others);
  }

  void close(FileSystem& fs, sim::Life life, sim::Handles& handles) {
    const Ino ino = handles.back().ino;
    handles.pop_back();
    judge_.closed(life, ino);
    fs.close(ino);
  }

  FsCluster cluster_;
  sim::EventQueue events_;
  sim::Trace trace_;
  sim::OracleBoard board_;
  Judge judge_;
  sim::Plan plan_;
  sim::Fates fates_;
  sim::SimRandom draws_;
  sim::RandomPosix workload_;
  std::uint64_t called_ = 0;
  TaskScope scope_;
};

std::string go(const Shape& shape) {
  Run run(shape);
  return run.go();
}

// All 64 bits from the first test on; RapidCheck's own sizes begin with zeros.
std::uint64_t draw_seed() {
  return *rc::gen::resize(100, rc::gen::arbitrary<std::uint64_t>());
}

BOOST_AUTO_TEST_SUITE(model)

RC_BOOST_PROP(operations_of_many_nodes_are_explained_by_one_order, ()) {
  Shape shape;
  shape.seed = draw_seed();
  shape.nodes = *rc::gen::element<std::uint64_t>(1, 2, 3);
  shape.operations = *rc::gen::element<std::uint64_t>(10, 30, 100, 300, 1000);
  shape.suspend_one_in = *rc::gen::element<std::uint64_t>(0, 2, 5, 20);
  shape.commit_one_in = *rc::gen::element<std::uint64_t>(0, 1, 4, 30);
  shape.fragment_one_in = *rc::gen::element<std::uint64_t>(0, 1, 4);
  const std::string wrong = go(shape);
  RC_TAG(shape.nodes);
  RC_LOG() << wrong;
  RC_ASSERT(wrong == "");
}

RC_BOOST_PROP(names_move_as_one_order_explains, ()) {
  Shape shape;
  shape.seed = draw_seed();
  shape.nodes = 3;
  shape.operations = *rc::gen::element<std::uint64_t>(30, 100, 300, 1000);
  shape.suspend_one_in = *rc::gen::element<std::uint64_t>(2, 5);
  shape.only_names = true;
  const std::string wrong = go(shape);
  RC_LOG() << wrong;
  RC_ASSERT(wrong == "");
}

RC_BOOST_PROP(files_of_many_extents_are_what_was_written, ()) {
  Shape shape;
  shape.seed = draw_seed();
  shape.file_bytes = 3'000'000;
  shape.fragment_one_in = 1;
  shape.operations = *rc::gen::element<std::uint64_t>(10, 30, 100, 300);
  const std::string wrong = go(shape);
  RC_LOG() << wrong;
  RC_ASSERT(wrong == "");
}

RC_BOOST_PROP(a_full_volume_refuses_and_stays_whole, ()) {
  Shape shape;
  shape.seed = draw_seed();
  shape.blocks = 120;
  shape.file_bytes = 100'000;
  const std::string wrong = go(shape);
  RC_LOG() << wrong;
  RC_ASSERT(wrong == "");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::fs
