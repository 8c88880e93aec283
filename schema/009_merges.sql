-- To merge parts takes longer than to insert them, and by default every row goes through five or six merges until a day
-- is in one part. Merging three times as many parts at a time spares two of them; a look-up meets some dozen parts more.
ALTER TABLE otel_traces MODIFY SETTING merge_selector_base = 15;
