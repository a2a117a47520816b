-- Purpose: the category of an active variant, for an upload check that is given the variant alone.
--          It is asked while a seller waits, so the variant's id needs an index.
-- Binds:   variant_id (text)
-- Result:  variant_id, category_id
--          One row, or several where variants of several categories have the same id.
SELECT DISTINCT
    v.variant_id  AS variant_id,
    v.category_id AS category_id
FROM inb_variants AS v
WHERE v.variant_id = :variant_id
    AND v.is_active = 1
ORDER BY v.variant_id, v.category_id
