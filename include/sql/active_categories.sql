-- Purpose: every category that has an active variant.
-- Binds:   none
-- Result:  category_id, category_name
SELECT
    v.category_id        AS category_id,
    MIN(v.category_name) AS category_name
FROM inb_variants AS v
WHERE v.is_active = 1
GROUP BY v.category_id
ORDER BY v.category_id
