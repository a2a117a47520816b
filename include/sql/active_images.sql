-- Purpose: the active variants of one category within a range of variant ids, each with its active
--          images. A variant without active images gives one row whose image columns are null.
-- Binds:   category_id (text), first_variant_id, last_variant_id (inclusive; type of the key, or
--          null: no bound)
-- Result:  category_id, category_name, variant_id, catalogue_id, seller_id, product_url,
--          image_id, position, image_url, updated_at
--          These columns are the contract. Where the tables have other columns, edit this file.
SELECT
    v.category_id   AS category_id,
    v.category_name AS category_name,
    v.variant_id    AS variant_id,
    v.catalogue_id  AS catalogue_id,
    v.seller_id     AS seller_id,
    v.product_url   AS product_url,
    i.image_id      AS image_id,
    i.position      AS position,
    i.image_url     AS image_url,
    i.updated_at    AS updated_at
FROM inb_variants AS v
LEFT JOIN inb_images AS i
    ON i.variant_id = v.variant_id
    AND i.is_active = 1
WHERE v.category_id = :category_id
    AND v.is_active = 1
    AND (v.variant_id >= :first_variant_id OR :first_variant_id IS NULL)
    AND (v.variant_id <= :last_variant_id OR :last_variant_id IS NULL)
ORDER BY v.variant_id, i.position, i.image_id, i.image_url
