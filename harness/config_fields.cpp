// The keys of a configuration, each declared once: with default, range and meaning.
#include "harness/config_sections.h"

namespace longreach::harness {

void Header::fields(Fields& f) {
  f("version", version, Range{}, "of this format; 1 is the only one");
  f("name", name, "of the experiment: letters, digits, '.', '_' and '-'");
  f("seed", seed, at_least(0), "from which all random numbers follow");
  f("output", output, "folder for everything written; default: runs/ and the name");
  f("lengths", lengths, between(1, kLongestContext, Unit::count),
    "context lengths in tokens, for tasks that name none");
  f("statistics", statistics, "how intervals and comparisons are made");
  f("limits", limits, "what one cell may take");
}

void model_fields(Fields& f, ModelChoice& model) {
  f("name", model.name, "by which tasks and --models call it; needed");
}

void import_fields(Fields& f, ImportChoice& import) {
  f("path", import.path, "a llama2.c .bin file, or a Hugging Face folder");
  f("tokenizer", import.tokenizer,
    "tokenizer.bin, tokenizer.model, tokenizer.json, or bytes; default: that of the folder");
}

void architecture_fields(Fields& f, ModelChoice& model) {
  f("vocabulary", model.vocabulary, "bytes, or the words of the task in train.data");
  model.architecture.fields(f);
}

void backend_fields(Fields& f, BackendChoice& backend) {
  f("name", backend.name, "by which tables and --backends call it; default: its type");
  f("baseline", backend.baseline, "the others are compared with it");
  f("weights_of", backend.weights_of,
    "an earlier backend whose trained weights it runs with; default: its own");
  f("longest", backend.longest, between(0, kLongestContext, Unit::count),
    "context length in tokens beyond which it is not measured; 0 = none");
  f("heads", backend.heads, between(1, 1024), "query heads in place of the model's");
  f("state_bytes", backend.budget.bytes, at_least(1, Unit::bytes),
    "budget of one stream's state, which `solve` is to fill");
  f("solve", backend.budget.solve, "the parameter, or heads, that is chosen to fill state_bytes");
}

void task_fields(Fields& f, TaskChoice& task) {
  f("name", task.name, "by which records and --tasks call it; default: its metric");
}

void task_metric_fields(Fields& f, TaskChoice& task) {
  f("lengths", task.lengths, between(1, kLongestContext, Unit::count),
    "context lengths in tokens; default: those of the experiment");
}

void VirtualRepetition::fields(Fields& f) {
  f("share", share, between(0, 1),
    "share of the samples in which one segment of filler counts many times over in a compressive "
    "memory, as in a far longer context; 0 = none");
  f("after", after, between(0, 1), "share of the steps before the first such sample");
  f("ramp", ramp, between(0, 1),
    "share of the steps over which the most times rise from 1 to `most`, by equal factors");
  f("most", most, between(1, 1e9, Unit::count),
    "most times; each sample's are log-uniform between 1 and these");
}

void Training::fields(Fields& f) {
  f("lr", lr, at_least(1e-12), "learning rates; each trains models of its own");
  f("seeds", seeds, at_least(0), "each trains models of its own; default: the experiment's seed");
  f("length", length, between(2, kLongestSample, Unit::count), "longest training sample in tokens");
  f("shortest", shortest, between(0, kLongestSample, Unit::count),
    "shortest training sample in tokens, lengths between being log-uniform; 0 = length");
  f("ramp", ramp, between(0, 1),
    "share of the steps over which the longest allowed rises from shortest to length");
  f("virtual_repetition", virtual_repetition, "one segment of filler counts many times over");
  f("from", from, "drawn: weights as drawn for the seed; imported: those of the model's import");
  f("train_only", train_only, "all weights, or only the gates and whatever else backends add");
  f("gates_first", gates_first, between(0, 1),
    "share of the steps, from the first, in which only these learn");
  f("recompute", params.recompute, at_least(0, Unit::count),
    "tokens of a sample whose activations are held at once and computed twice; 0 = all, once");
  f("checkpoint", checkpoint, at_least(0, Unit::seconds),
    "seconds between checkpoints, from which a training that was cut off goes on");
  f("spike", spike, at_least(0),
    "nats by which a step's loss may exceed the median of the last 100 before training stops with "
    "that reason; 0 = any");
}

void StatisticsChoice::fields(Fields& f) {
  f("confidence", confidence, between(0.5, 0.9999), "level of the intervals");
  f("bootstrap", bootstrap, between(10, 1e7, Unit::count), "resamples");
  f("baseline", baseline, "the backend that others are compared with");
  f("correction", correction, "for several comparisons in one table");
  f("effective_threshold", effective_threshold, between(0, 1),
    "what a score must reach at a length, and at all shorter ones, for the effective length");
  f("effective_relative", effective_relative,
    "the threshold is a share of the score at the shortest length, not the score itself");
}

void Limits::fields(Fields& f) {
  f("memory", memory, at_least(0, Unit::bytes),
    "memory that one cell's process may have resident; 0 = 90% of the machine's or container's");
  f("time_per_cell", time_per_cell, at_least(0, Unit::seconds),
    "wall time of one cell; 0 = no limit");
  f("stall", stall, at_least(0, Unit::seconds),
    "time that a cell may go without computing or telling of progress; 0 = no limit");
  f("on_oom", on_oom, "after a cell runs out of memory or time: skip its longer lengths or go on");
}

}  // namespace longreach::harness
