//! Arguments in, lines out; the only place that prints.
