-- Purpose: what decides whether a variant is due: every active image row of one category's active
--          variants. A variant without active images gives one row whose image columns are null.
-- Binds:   category_id (text)
-- Result:  variant_id, image_id, position, image_url, updated_at
--          The columns mean what they mean in active_images.sql; keep both files in step.
SELECT
    v.variant_id AS variant_id,
    i.image_id   AS image_id,
    i.position   AS position,
    i.image_url  AS image_url,
    i.updated_at AS updated_at
FROM inb_variants AS v
LEFT JOIN inb_images AS i
    ON i.variant_id = v.variant_id
    AND i.is_active = 1
WHERE v.category_id = :category_id
    AND v.is_active = 1
ORDER BY v.variant_id, i.position, i.image_id, i.image_url
