# Reads a run's records and samples with jsonlite: Rscript records.R FOLDER METRIC BACKEND BASELINE.
#
# Prints the metric of every backend at every length, with interval and n, and the paired difference
# of two backends from their samples. docs/records.md has the columns.

arguments <- commandArgs(trailingOnly = TRUE)
folder <- arguments[1]
metric <- arguments[2]
backend <- arguments[3]
baseline <- arguments[4]

read <- function(name) {
  connection <- file(file.path(folder, name), encoding = "UTF-8")
  jsonlite::stream_in(connection, verbose = FALSE)
}

records <- read("records.jsonl")
pooled <- subset(
  records,
  status == "ok" & metric == arguments[2] & subtask == "" & is.na(depth)
)
pooled <- pooled[order(pooled$context_length, pooled$backend, method = "radix"), ]
cat(sprintf(
  "%s at %d: %.3f [%.3f, %.3f], n = %d\n", pooled$backend, pooled$context_length, pooled$value,
  pooled$ci_low, pooled$ci_high, pooled$n
), sep = "")

samples <- read("samples.jsonl")
samples$score <- samples$scores[[sub(".*/", "", metric)]]
samples <- merge(
  samples[c("cell_id", "sample_sha", "score")],
  pooled[c("cell_id", "backend", "context_length", "seed", "lr")]
)
pairs <- merge(
  samples[samples$backend == backend, ], samples[samples$backend == baseline, ],
  by = c("sample_sha", "context_length", "seed", "lr")
)
for (length in sort(unique(pairs$context_length))) {
  group <- pairs[pairs$context_length == length, ]
  cat(sprintf(
    "%s - %s at %d: %+.3f over %d samples\n", backend, baseline, length,
    mean(group$score.x - group$score.y), nrow(group)
  ))
}

# records.csv has the same rows. Read as text and turn into numbers what is wanted as numbers: else
# an id such as 12e4 becomes a number, and a backend called NA a null.
table <- read.csv(
  file.path(folder, "records.csv"), colClasses = "character", na.strings = character(),
  encoding = "UTF-8"
)
stopifnot(table$cell_id == records$cell_id)
stopifnot(identical(as.numeric(table$value), as.numeric(records$value)))
