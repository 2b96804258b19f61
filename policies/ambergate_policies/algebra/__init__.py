"""The kernel's own algebra: a small closed set of frozen, typed nodes between sqlglot's trees and the engine."""
