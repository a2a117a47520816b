-- Purpose: deactivate variants that variant_rows.sql has just given as active. It must change as
--          many rows as there are keys; else the transaction is taken back.
-- Binds:   row_keys (list of text)
-- Result:  none
UPDATE inb_variants
SET is_active = 0
WHERE variant_id IN :row_keys
    AND is_active = 1
