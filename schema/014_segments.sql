-- The critical path of a trace is computed anew, from its spans and the model that its results name, when it is looked at:
-- what was stored here nobody read.
DROP TABLE IF EXISTS segments;
