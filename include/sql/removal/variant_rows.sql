-- Purpose: the rows of some variants, active or not, to be checked before any is changed. On MySQL
--          the rows are locked: the code adds FOR UPDATE at the end.
-- Binds:   variant_ids (list of text)
-- Result:  row_key, variant_id, category_id, is_active
--          row_key is what names one row in the UPDATEs beside this file: the table's own key.
--          is_active is 1, 0, or null for anything else. The other columns mean what they mean in
--          active_images.sql.
SELECT
    v.variant_id  AS row_key,
    v.variant_id  AS variant_id,
    v.category_id AS category_id,
    CASE v.is_active WHEN 1 THEN 1 WHEN 0 THEN 0 END AS is_active
FROM inb_variants AS v
WHERE v.variant_id IN :variant_ids
ORDER BY v.variant_id
