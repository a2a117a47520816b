-- Purpose: active images of active variants under one category id that is no integer;
--          read when a run takes all categories, so that no image is lost without a word.
-- Binds:   category_id (text; one that is not an integer, or null)
-- Result:  category_id, variant_id, image_id, image_url
SELECT
    v.category_id AS category_id,
    v.variant_id  AS variant_id,
    i.image_id    AS image_id,
    i.image_url   AS image_url
FROM inb_variants AS v
INNER JOIN inb_images AS i
    ON i.variant_id = v.variant_id
    AND i.is_active = 1
WHERE v.is_active = 1
    AND (v.category_id = :category_id OR (v.category_id IS NULL AND :category_id IS NULL))
ORDER BY v.variant_id, i.position, i.image_id, i.image_url
