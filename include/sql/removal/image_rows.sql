-- Purpose: every image row of some variants, active or not, to be checked before any is changed. On
--          MySQL the rows are locked: the code adds FOR UPDATE at the end.
-- Binds:   variant_ids (list of text)
-- Result:  row_key, variant_id, image_id, position, image_url, updated_at, is_active
--          row_key is what names one row in the UPDATEs beside this file: the table's own key.
--          is_active is 1, 0, or null for anything else. The other columns mean what they mean in
--          active_images.sql.
SELECT
    i.row_id     AS row_key,
    i.variant_id AS variant_id,
    i.image_id   AS image_id,
    i.position   AS position,
    i.image_url  AS image_url,
    i.updated_at AS updated_at,
    CASE i.is_active WHEN 1 THEN 1 WHEN 0 THEN 0 END AS is_active
FROM inb_images AS i
WHERE i.variant_id IN :variant_ids
ORDER BY i.variant_id, i.position, i.image_id, i.row_id
