//! The control protocol between focus and mixer: the .proto and plain types.
