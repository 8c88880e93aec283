-- Known mistakes that a sample shows (src/findings/), the arrays in parallel: pattern, subject (the fields of
-- src/findings/subject.ts, joined by the unit separator), how much shorter the sample would be without, time spent on
-- it, what the pattern counts (in thousandths), and whether the saving needs that no call needs an earlier one's answer.
ALTER TABLE samples
    ADD COLUMN IF NOT EXISTS `FindingPatterns` Array(LowCardinality(String)) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS `FindingSubjects` Array(LowCardinality(String)) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS `FindingSavedNs` Array(UInt64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS `FindingSpentNs` Array(UInt64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS `FindingAmounts` Array(UInt64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS `FindingUnproven` Array(UInt32) CODEC(ZSTD(1));
