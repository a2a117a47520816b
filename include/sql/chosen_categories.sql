-- Purpose: those of the chosen categories that have an active variant.
-- Binds:   category_ids (text, expanding, never empty)
-- Result:  category_id, category_name
SELECT
    v.category_id        AS category_id,
    MIN(v.category_name) AS category_name
FROM inb_variants AS v
WHERE v.is_active = 1
    AND v.category_id IN :category_ids
GROUP BY v.category_id
ORDER BY v.category_id
