"""The demo: a catalogue that the project draws itself, with known planted duplicates."""
