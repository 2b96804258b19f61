"""Analyses written blind, without a look at what the kernel accepts: the honest measure of its usefulness."""
