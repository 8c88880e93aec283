-- How far the evidence for what waited for what leaves IfInstantNs open: by how much it could be earlier, and later. Of
-- samples, one a component where any is left open, else empty.
ALTER TABLE samples
    ADD COLUMN IF NOT EXISTS `EarlierNs` Array(UInt64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS `LaterNs` Array(UInt64) CODEC(ZSTD(1));

-- Of rollups: histograms of the earliest and of the latest, minus if-infinitely-fast; laid out as those of Shift. Where
-- nothing is left open Ends is empty.
ALTER TABLE rollups
    ADD COLUMN IF NOT EXISTS `EarlierEnds` Array(UInt32) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS `EarlierBins` Array(UInt16) CODEC(Delta(2), ZSTD(1)),
    ADD COLUMN IF NOT EXISTS `EarlierCounts` Array(Int32) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS `LaterEnds` Array(UInt32) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS `LaterBins` Array(UInt16) CODEC(Delta(2), ZSTD(1)),
    ADD COLUMN IF NOT EXISTS `LaterCounts` Array(Int32) CODEC(ZSTD(1));
